internal import Foundations

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Starts the processes of a run on this host, passes on their output and the signals that this
/// process receives, and ends all when one fails.
///
/// A launcher owns the signal handlers of its process.
package struct Launcher {
  /// The program's path and its arguments.
  package var command: [String]
  /// The ranks of this host.
  package var ranks: Range<Int>
  /// How long processes may go on after one has failed.
  package var timeout: Duration
  /// How often all processes are started again after a failure.
  package var maxRestarts: Int
  /// Seconds from SIGTERM to SIGKILL.
  package var grace: Int
  /// All variables of each rank, by the number of restarts before.
  package var environments: (_ restart: Int) throws(LaunchError) -> [[String: String]]
  /// The variables of this process.
  package var inherited: [String: String]

  package init(
    _ command: [String], ranks: Range<Int>, timeout: Duration, maxRestarts: Int = 0,
    grace: Int = 5, inherited: [String: String],
    environments: @escaping (_ restart: Int) throws(LaunchError) -> [[String: String]]
  ) {
    self.command = command
    self.ranks = ranks
    self.timeout = timeout
    self.maxRestarts = maxRestarts
    self.grace = grace
    self.inherited = inherited
    self.environments = environments
  }

  /// Runs the processes to their end.
  ///
  /// - Returns: 0, or the status with which a shell reports the end of the process that failed
  ///   first.
  /// - Throws: when a process cannot be started; none is left then.
  package func run() throws(LaunchError) -> Int32 {
    signal(SIGPIPE, SIG_IGN)
    let signals = try ReceivedSignals([SIGINT, SIGTERM, SIGHUP, SIGCHLD])
    let launchGuard = try LaunchGuard(grace: grace, environment: inherited)
    var restart = 0
    while true {
      let attempt = try LaunchAttempt(
        self, restart: restart, signals: signals, launchGuard: launchGuard)
      attempt.run()
      guard let failure = attempt.failure else { return 0 }
      guard !attempt.isStopped, restart < maxRestarts else { return failure.end.shellStatus }
      restart += 1
      Self.say("all processes are started again (restart \(restart) of \(maxRestarts))")
    }
  }

  /// Writes a line to standard error.
  static func say(_ text: String) {
    let erase = isatty(STDERR_FILENO) == 1 ? "\r\u{1B}[K" : ""
    StandardStream.writeError("\(erase)tempflow launch: \(text)\n")
  }
}
