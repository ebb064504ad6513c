import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The wish to stop, from SIGINT (Ctrl-C) or SIGTERM: the step under way is finished and saved.
///
/// The first signal sets a flag that the trainer reads between steps. The second ends the process
/// at once, as if there were no handler.
package enum StopSignal {
  private static let received = Atomic<Int32>(0)

  /// Takes over SIGINT and SIGTERM for the rest of the process.
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
      // System calls go on after the handler; the trainer looks at the flag.
      action.sa_flags = SA_RESTART
      let result = sigaction(number, &action, nil)
      precondition(result == 0, "sigaction refused signal \(number)")
    }
  }

  /// Whether a signal has come.
  package static var isRequested: Bool { received.load(ordering: .relaxed) != 0 }

  /// The name of the signal that came first.
  package static var name: String? {
    switch received.load(ordering: .relaxed) {
    case 0: nil
    case SIGINT: "SIGINT"
    default: "SIGTERM"
    }
  }

  /// Runs in the signal handler: atomics, `signal` and `raise` only.
  private static let handle: @convention(c) (Int32) -> Void = { number in
    let (isFirst, _) = received.compareExchange(
      expected: 0, desired: number, ordering: .relaxed)
    if !isFirst {
      signal(number, SIG_DFL)
      raise(number)
    }
  }
}
