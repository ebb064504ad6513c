import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The request to stop by SIGINT (Ctrl-C), SIGTERM or the end of the terminal (SIGHUP): the epoch
/// under way is finished and saved.
///
/// The first signal sets a flag that the trainer reads between epochs. A SIGINT or SIGTERM more
/// than a second later ends the process with the signal's default action. Until then it is taken
/// for the same request: a service manager signals a launcher and its processes, and the launcher
/// passes the signal on to these. Of SIGHUP the kernel and a shell may both send one.
package enum StopSignal {
  private static let received = Atomic<Int32>(0)
  /// When, in nanoseconds of a monotonic clock.
  private static let time = Atomic<Int64>(0)

  /// Installs the handlers for the rest of the process. A SIGHUP that is ignored, as under `nohup`,
  /// stays so.
  ///
  /// Broken pipes are ignored from then on: who reads the messages, such as `tee`, may end by the
  /// same Ctrl-C, and the process must live to save.
  package static func install() {
    // The flag must exist before a handler can run.
    received.store(0, ordering: .relaxed)
    time.store(0, ordering: .relaxed)
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

  /// The signal handler: only atomics, `clock_gettime`, `signal` and `raise` are safe here.
  private static let handler: @convention(c) (Int32) -> Void = { number in
    guard !note(number) else { return }
    let first = time.load(ordering: .relaxed)
    guard first != 0, now - first > 1_000_000_000 else { return }
    signal(number, SIG_DFL)
    raise(number)
  }

  private static let noteAlone: @convention(c) (Int32) -> Void = { number in _ = note(number) }

  /// Whether the signal is the first.
  private static func note(_ number: Int32) -> Bool {
    let (isFirst, _) = received.compareExchange(
      expected: 0, desired: number, ordering: .relaxed)
    if isFirst { time.store(now, ordering: .relaxed) }
    return isFirst
  }

  private static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}
