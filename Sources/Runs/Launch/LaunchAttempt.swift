#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The processes of one start, up to the end of all.
final class LaunchAttempt {
  private let launcher: Launcher
  private let signals: ReceivedSignals
  private let launchGuard: LaunchGuard
  private var running: [RankProcess] = []
  private var outputs: [RankOutput] = []
  /// When the processes that are left get SIGTERM, and when SIGKILL.
  private var termination, killing: ContinuousClock.Instant?

  /// The rank that failed first, and how it ended.
  private(set) var failure: (rank: Int, end: ProcessEnd)?
  /// Whether a signal has been passed on.
  private(set) var isStopped = false

  /// A process that has not been reaped.
  private struct RankProcess {
    let rank: Int
    let process: SpawnedProcess
  }

  /// Starts the processes.
  init(
    _ launcher: Launcher, restart: Int, signals: ReceivedSignals, launchGuard: LaunchGuard
  ) throws(LaunchError) {
    self.launcher = launcher
    self.signals = signals
    self.launchGuard = launchGuard
    do throws(LaunchError) {
      for (rank, environment) in zip(launcher.ranks, try launcher.environments(restart)) {
        try start(rank, environment)
      }
    } catch {
      for process in running.map(\.process) {
        process.killGroup()
        process.waitForEnd()
      }
      launchGuard.watch([])
      throw error
    }
  }

  /// Rank 0's standard output is this process's own: the result of the run. On a terminal so is its
  /// standard error, which has the line of progress.
  private func start(_ rank: Int, _ environment: [String: String]) throws(LaunchError) {
    let isShown = rank == 0 && isatty(STDERR_FILENO) == 1
    let output = rank == 0 ? nil : try RankOutput(rank: rank, target: STDOUT_FILENO)
    let errors = isShown ? nil : try RankOutput(rank: rank, target: STDERR_FILENO)
    let made = [output, errors].compactMap(\.self)
    defer { for output in made { output.closeChildEnd() } }
    let process = try SpawnedProcess(
      launcher.command, environment: environment,
      streams: (nil, output?.childEnd, errors?.childEnd))
    running.append(RankProcess(rank: rank, process: process))
    outputs += made
    launchGuard.watch(running.map(\.process.identifier))
  }

  /// Waits until all processes have ended.
  func run() {
    while !running.isEmpty {
      wait()
      for number in signals.take() { pass(number) }
      for output in outputs { output.pass() }
      reap()
      endProcesses()
    }
    // A signal that came with the last process's end also forbids a restart.
    for number in signals.take() { pass(number) }
    for output in outputs { output.finish() }
  }

  /// Waits for output, a signal (also that of a child's end) or the next deadline.
  private func wait() {
    var waits = outputs.filter { !$0.isAtEnd }.map {
      pollfd(fd: $0.reading, events: Int16(POLLIN), revents: 0)
    }
    waits.append(pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0))
    var milliseconds: CInt = -1
    if let next = [termination, killing].compactMap(\.self).min() {
      let left = ContinuousClock.now.duration(to: next) / .milliseconds(1)
      milliseconds = CInt(min(max(left.rounded(.up), 0), 1e9))
    }
    _ = poll(&waits, nfds_t(waits.count), milliseconds)
  }

  /// Passes a signal on to every process. A terminal's end asks for a stop as SIGTERM does, but
  /// never a second time, which would end the processes at once: a shell and the system send one
  /// each.
  private func pass(_ number: Int32) {
    guard number != SIGCHLD, number != SIGHUP || !isStopped else { return }
    isStopped = true
    for process in running.map(\.process) { process.send(number == SIGHUP ? SIGTERM : number) }
  }

  private func reap() {
    var ended: [(rank: Int, end: ProcessEnd)] = []
    running.removeAll { member in
      guard let end = member.process.takeEnd() else { return false }
      ended.append((member.rank, end))
      return true
    }
    guard !ended.isEmpty else { return }
    launchGuard.watch(running.map(\.process.identifier))
    // Of processes that ended together, one that a signal killed was first: the others lost it.
    let failed = ended.filter(\.end.isFailure)
    let first = failed.first { if case .killed = $0.end { true } else { false } } ?? failed.first
    guard failure == nil, let first else { return }
    failure = first
    Launcher.say("rank \(first.rank) \(first.end)")
    termination = ContinuousClock.now + launcher.timeout
  }

  /// Ends the processes that are left after a failure, when their time is over.
  private func endProcesses() {
    guard !running.isEmpty else { return }
    if let termination, ContinuousClock.now >= termination {
      self.termination = nil
      killing = ContinuousClock.now + .seconds(launcher.grace)
      let ranks = running.map { "\($0.rank)" }.joined(separator: ", ")
      let seconds = launcher.timeout / .seconds(1)
      let time = seconds == seconds.rounded() ? "\(Int(seconds))" : "\(seconds)"
      Launcher.say(
        "\(running.count == 1 ? "rank" : "ranks") \(ranks) did not end within "
          + "\(time) s and \(running.count == 1 ? "is" : "are") stopped")
      for process in running.map(\.process) { process.send(SIGTERM) }
    }
    if let killing, ContinuousClock.now >= killing {
      self.killing = nil
      for process in running.map(\.process) { process.killGroup() }
    }
  }
}
