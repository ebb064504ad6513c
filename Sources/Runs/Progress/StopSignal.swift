import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The request to stop by SIGINT (Ctrl-C), SIGTERM or the end of the terminal (SIGHUP): the epoch
/// under way is finished and saved.
///
/// The first signal sets a flag that the trainer reads between epochs. A second SIGINT or SIGTERM
/// ends the process with the signal's default action; of SIGHUP the kernel and a shell may both
/// send one.
package enum StopSignal {
  private static let received = Atomic<Int32>(0)

  /// Installs the handlers for the rest of the process. A SIGHUP that is ignored, as under `nohup`,
  /// stays so.
  ///
  /// Broken pipes are ignored from then on: who reads the messages, such as `tee`, may end by the
  /// same Ctrl-C, and the process must live to save.
  package static func install() {
    // The flag must exist before a handler can run.
    received.store(0, ordering: .relaxed)
    for number in [SIGINT, SIGTERM] { SignalAction.set(number, handler) }
    if !SignalAction.isIgnored(SIGHUP) { SignalAction.set(SIGHUP, noteAlone) }
    signal(SIGPIPE, SIG_IGN)
  }

  /// Whether a signal was received.
  package static var isRequested: Bool { received.load(ordering: .relaxed) != 0 }

  /// The name of the first signal; nil without one.
  package static var name: String? {
    switch received.load(ordering: .relaxed) {
    case 0: nil
    case SIGINT: "SIGINT"
    case SIGHUP: "SIGHUP"
    default: "SIGTERM"
    }
  }

  /// The signal handler: only atomics, `signal` and `raise` are safe here.
  private static let handler: @convention(c) (Int32) -> Void = { number in
    let (isFirst, _) = received.compareExchange(
      expected: 0, desired: number, ordering: .relaxed)
    if !isFirst {
      signal(number, SIG_DFL)
      raise(number)
    }
  }

  private static let noteAlone: @convention(c) (Int32) -> Void = { number in
    _ = received.compareExchange(expected: 0, desired: number, ordering: .relaxed)
  }
}
