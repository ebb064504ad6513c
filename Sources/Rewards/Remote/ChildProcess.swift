#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif
import Foundation
import Foundations
import Synchronization

/// A running program with pipes on its standard input, output and error, in its own process group:
/// the programs that it starts are killed with it, and a terminal's interrupt does not reach it. It
/// does not outlive this process, however that ends.
///
/// The methods block, with deadlines.
final class ChildProcess {
  /// Why a program could not be started, in the system's words.
  struct StartFailure: Error { let reason: String }

  /// The end of an exchange of lines.
  enum Exchange: Equatable {
    case answer([UInt8])
    /// The program closed its standard output, as it does when it ends.
    case ended
    case timedOut
    /// A line is longer than the limit.
    case tooLong
  }

  private let identifier: pid_t
  /// A shell that kills the program's group when the pipe to it is closed without a line, as by the
  /// end of this process.
  private let watcher: (identifier: pid_t, input: CInt)
  private let input: CInt
  private var output: LineReader
  private var errors: LineReader
  private var unsent: ArraySlice<UInt8> = []

  /// Starts `command`; its first word is looked up as by a shell.
  ///
  /// - Parameters:
  ///   - directory: the working directory; nil is this process's own.
  ///   - longestLine: the largest number of bytes in one line of standard output.
  init(_ command: [String], directory: String?, longestLine: Int) throws(StartFailure) {
    let (pipes, identifier, status) = try Self.starting.withLock { _ throws(StartFailure) in
      try Self.start(command, directory: directory)
    }
    for end in [pipes.input.read, pipes.output.write, pipes.errors.write] { close(end) }
    let ours = [pipes.input.write, pipes.output.read, pipes.errors.read]
    guard status == 0 else {
      for end in ours { close(end) }
      throw StartFailure(reason: SystemError.text(status))
    }
    do throws(StartFailure) {
      watcher = try Self.startWatcher(of: identifier)
    } catch {
      kill(-identifier, SIGKILL)
      Self.reap(identifier)
      for end in ours { close(end) }
      throw error
    }
    for end in ours { _ = fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK) }
    self.identifier = identifier
    input = pipes.input.write
    output = LineReader(pipes.output.read, longestLine: longestLine)
    errors = LineReader(pipes.errors.read, longestLine: 4096)
  }

  private static func startWatcher(
    of group: pid_t
  ) throws(StartFailure) -> (identifier: pid_t, input: CInt) {
    let script = #"read -r line || kill -s KILL -- "-$0""#
    let (pipes, identifier, status) = try starting.withLock { _ throws(StartFailure) in
      try start(["/bin/sh", "-c", script, "\(group)"], directory: nil)
    }
    let others = [
      pipes.input.read, pipes.output.read, pipes.output.write, pipes.errors.read,
      pipes.errors.write,
    ]
    for end in others { close(end) }
    guard status == 0 else {
      close(pipes.input.write)
      throw StartFailure(reason: "/bin/sh: \(SystemError.text(status))")
    }
    return (identifier, pipes.input.write)
  }

  /// Waits for the end of a process, and returns its status.
  @discardableResult
  private static func reap(_ identifier: pid_t) -> CInt {
    var status: CInt = 0
    while waitpid(identifier, &status, 0) == -1, errno == EINTR {}
    return status
  }

  /// Held from the creation of pipes to the start of their program. A program that another thread
  /// starts in between would inherit the pipes and keep them open.
  static let starting = Mutex(())

  /// - Returns: the pipes with all their ends, the process identifier, and 0 or the error number.
  private static func start(
    _ command: [String], directory: String?
  ) throws(StartFailure) -> (Pipes, pid_t, CInt) {
    let inherited = try openDescriptors()
    let pipes = try Pipes()
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (index, end) in [pipes.input.read, pipes.output.write, pipes.errors.write].enumerated() {
      posix_spawn_file_actions_adddup2(&actions, end, CInt(index))
    }
    // A program that kept the connections of this process to others of its run open would hide its
    // end from them. To close what is not open any more is no error.
    for descriptor in inherited where descriptor > 2 {
      posix_spawn_file_actions_addclose(&actions, descriptor)
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(
      &attributes,
      Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    posix_spawnattr_setpgroup(&attributes, 0)
    // Threads of a dispatch queue block signals, and a child would inherit the mask.
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    // A process in training ignores broken pipes, and a child would inherit that.
    sigaddset(&signals, SIGPIPE)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    var command = command
    if let directory {
      // Not every system has a spawn action that changes the directory, so a shell changes it.
      command = ["/bin/sh", "-c", #"cd "$0" && exec "$@""#, directory] + command
    }
    var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
    arguments.append(nil)
    var variables: [UnsafeMutablePointer<CChar>?] =
      environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for text in arguments + variables { free(text) } }
    var identifier: pid_t = 0
    let status = posix_spawnp(
      &identifier, command[0], &actions, &attributes, &arguments, &variables)
    return (pipes, identifier, status)
  }

  /// The descriptors of this process, and perhaps some that have just been closed.
  private static func openDescriptors() throws(StartFailure) -> [CInt] {
    #if os(Linux)
      let folder = "/proc/self/fd"
    #else
      let folder = "/dev/fd"
    #endif
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder).compactMap { CInt($0) }
    } catch {
      throw StartFailure(reason: "\(folder) cannot be read: \(error.localizedDescription)")
    }
  }

  /// The environment of a program: without the place of this process in its run, which
  /// `torch.distributed`, MPI and others would take for the program's own.
  private static var environment: [String: String] {
    ProcessInfo.processInfo.environment.filter { name, _ in
      !places.contains(name) && !familiesOfPlaces.contains(where: name.hasPrefix)
    }
  }

  private static let places: Set = [
    "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE",
    "ROLE_RANK", "ROLE_WORLD_SIZE", "ROLE_NAME", "MASTER_ADDR", "MASTER_PORT", "TEMPFLOW_LAUNCH",
    "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NTASKS", "SLURM_NPROCS", "SLURM_GTIDS",
  ]
  private static let familiesOfPlaces = [
    "TORCHELASTIC_", "OMPI_COMM_WORLD_", "PMI_", "PMIX_", "SLURM_STEP_",
  ]

  private var isReaped = false

  deinit { _ = end() }

  /// Kills the program and its process group, and returns how it ended, such as `exit status 3`.
  ///
  /// - Parameter grace: seconds to wait for an end without a kill, whose status says more.
  func end(grace: Double = 0) -> String {
    guard !isReaped else { return "killed" }
    isReaped = true
    let deadline = ContinuousClock.now + .seconds(grace)
    while !hasEnded, ContinuousClock.now < deadline { usleep(2000) }
    // After the reaping the number may belong to another group.
    kill(-identifier, SIGKILL)
    var line = UInt8(ascii: "\n")
    _ = withoutBrokenPipeSignal { write(watcher.input, &line, 1) }
    close(watcher.input)
    Self.reap(watcher.identifier)
    let status = Self.reap(identifier)
    for end in [input, output.descriptor, errors.descriptor] { close(end) }
    let signal = status & 0x7F
    return signal == 0 ? "exit status \(status >> 8 & 0xFF)" : "signal \(signal)"
  }

  /// Whether it has ended and is not reaped.
  private var hasEnded: Bool {
    var information = siginfo_t()
    return waitid(P_PID, id_t(identifier), &information, WEXITED | WNOHANG | WNOWAIT) == 0
      && information.si_signo == SIGCHLD
  }

  /// Sends one line and waits for the answer, which is a line that begins with a brace.
  ///
  /// - Parameters:
  ///   - seconds: the deadline, from now to the answer.
  ///   - show: called with every other line of standard output and every line of standard error.
  func exchange(_ line: [UInt8], seconds: Double, show: (String) -> Void) -> Exchange {
    unsent += line
    unsent.append(UInt8(ascii: "\n"))
    let deadline = ContinuousClock.now + .seconds(seconds)
    while true {
      while let line = output.takeLine() {
        if line.first == UInt8(ascii: "{") { return .answer(line) }
        show(String(decoding: line, as: UTF8.self))
      }
      if output.isTooLong { return .tooLong }
      if output.isAtEnd {
        showErrors(for: .milliseconds(200), show)
        return .ended
      }
      guard wait(until: deadline) else { return .timedOut }
      send()
      output.read()
      showErrors(show)
    }
  }

  /// Waits until a pipe can be read or written; false when the deadline passes first.
  private func wait(until deadline: ContinuousClock.Instant) -> Bool {
    var waits = [pollfd(fd: output.descriptor, events: Int16(POLLIN), revents: 0)]
    if !errors.isAtEnd {
      waits.append(pollfd(fd: errors.descriptor, events: Int16(POLLIN), revents: 0))
    }
    if !unsent.isEmpty { waits.append(pollfd(fd: input, events: Int16(POLLOUT), revents: 0)) }
    let left = ContinuousClock.now.duration(to: deadline) / .milliseconds(1)
    guard left > 0 else { return false }
    return poll(&waits, nfds_t(waits.count), CInt(min(left + 1, 1e9))) != 0
  }

  /// Writes what fits. The end of standard output reveals a program that has stopped reading.
  private func send() {
    while !unsent.isEmpty {
      let count = withoutBrokenPipeSignal {
        unsent.withUnsafeBytes { write(input, $0.baseAddress, $0.count) }
      }
      if count > 0 {
        unsent = unsent.dropFirst(count)
      } else if count < 0, errno == EINTR {
        continue
      } else {
        if errno != EAGAIN { unsent = [] }
        return
      }
    }
  }

  /// Reads standard error and shows its complete lines.
  private func showErrors(_ show: (String) -> Void) {
    errors.read()
    while let line = errors.takeLine(cuttingLong: true) {
      show(String(decoding: line, as: UTF8.self))
    }
  }

  /// Shows the last lines of a program that ended.
  private func showErrors(for time: Duration, _ show: (String) -> Void) {
    let deadline = ContinuousClock.now + time
    while !errors.isAtEnd, ContinuousClock.now < deadline {
      var waits = [pollfd(fd: errors.descriptor, events: Int16(POLLIN), revents: 0)]
      _ = poll(&waits, 1, 20)
      showErrors(show)
    }
  }
}

/// Pipes that are closed in other programs that this process starts.
private struct Pipes {
  let input, output, errors: (read: CInt, write: CInt)

  init() throws(ChildProcess.StartFailure) {
    var made: [(read: CInt, write: CInt)] = []
    for _ in 0..<3 {
      var ends: [CInt] = [0, 0]
      guard pipe(&ends) == 0 else {
        let reason = SystemError.text(errno)
        for pair in made { _ = (close(pair.read), close(pair.write)) }
        throw .init(reason: reason)
      }
      for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
      made.append((ends[0], ends[1]))
    }
    (input, output, errors) = (made[0], made[1], made[2])
  }
}

/// Writes with SIGPIPE blocked on this thread. The signal's disposition in the process is
/// unchanged.
private func withoutBrokenPipeSignal(_ write: () -> Int) -> Int {
  var signals = sigset_t(), before = sigset_t(), pending = sigset_t()
  sigemptyset(&signals)
  sigaddset(&signals, SIGPIPE)
  pthread_sigmask(SIG_BLOCK, &signals, &before)
  let count = write()
  let failure = errno
  if count < 0, failure == EPIPE, sigpending(&pending) == 0, sigismember(&pending, SIGPIPE) == 1 {
    var signal: CInt = 0
    sigwait(&signals, &signal)
  }
  pthread_sigmask(SIG_SETMASK, &before, nil)
  errno = failure
  return count
}
