import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The request to stop by SIGINT (Ctrl-C) or SIGTERM: the current step is finished and saved.
///
/// The first signal sets a flag that the trainer reads between steps. The second ends the process
/// with the signal's default action.
package enum StopSignal {
  private static let received = Atomic<Int32>(0)

  /// Installs the handler of SIGINT and SIGTERM for the rest of the process.
  package static func install() {
    // The flag must exist before a handler can run.
    received.store(0, ordering: .relaxed)
    for number in [SIGINT, SIGTERM] {
      var action = sigaction()
      sigemptyset(&action.sa_mask)
      #if canImport(Glibc)
        action.__sigaction_handler.sa_handler = handle
      #else
        action.__sigaction_u.__sa_handler = handle
      #endif
      // Interrupted system calls are restarted; the trainer reads the flag.
      action.sa_flags = SA_RESTART
      let result = sigaction(number, &action, nil)
      precondition(result == 0, "sigaction refused signal \(number)")
    }
  }

  /// Whether a signal was received.
  package static var isRequested: Bool { received.load(ordering: .relaxed) != 0 }

  /// The name of the first signal; nil without one.
  package static var name: String? {
    switch received.load(ordering: .relaxed) {
    case 0: nil
    case SIGINT: "SIGINT"
    default: "SIGTERM"
    }
  }

  /// The signal handler: only atomics, `signal` and `raise` are safe here.
  private static let handle: @convention(c) (Int32) -> Void = { number in
    let (isFirst, _) = received.compareExchange(
      expected: 0, desired: number, ordering: .relaxed)
    if !isFirst {
      signal(number, SIG_DFL)
      raise(number)
    }
  }
}
