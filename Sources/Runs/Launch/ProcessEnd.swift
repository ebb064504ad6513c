#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// How a process ended.
package enum ProcessEnd: Equatable, Sendable {
  case exited(status: Int32)
  case killed(signal: Int32)

  /// - Parameter status: as `waitpid` gives it.
  init(status: Int32) {
    let signal = status & 0x7F
    self = signal == 0 ? .exited(status: status >> 8 & 0xFF) : .killed(signal: signal)
  }

  var isFailure: Bool { self != .exited(status: 0) }

  /// The exit status with which a shell reports this end: 128 and the signal's number for a signal.
  package var shellStatus: Int32 {
    switch self {
    case .exited(let status): status
    case .killed(let signal): 128 + signal
    }
  }
}

extension ProcessEnd: CustomStringConvertible {
  /// `exited with status 1` or `was killed by SIGKILL`.
  package var description: String {
    switch self {
    case .exited(let status): "exited with status \(status)"
    case .killed(let signal): "was killed by \(Self.names[signal] ?? "signal \(signal)")"
    }
  }

  private static let names = [
    SIGHUP: "SIGHUP", SIGINT: "SIGINT", SIGQUIT: "SIGQUIT", SIGILL: "SIGILL", SIGTRAP: "SIGTRAP",
    SIGABRT: "SIGABRT", SIGBUS: "SIGBUS", SIGFPE: "SIGFPE", SIGKILL: "SIGKILL",
    SIGSEGV: "SIGSEGV", SIGPIPE: "SIGPIPE", SIGTERM: "SIGTERM",
  ]
}
