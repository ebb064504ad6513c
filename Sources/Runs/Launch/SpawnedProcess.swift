#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A child process, the leader of a process group of its own: a terminal's signals do not reach it.
struct SpawnedProcess {
  let identifier: pid_t

  /// Starts a program.
  ///
  /// - Parameters:
  ///   - command: the program's path and its arguments.
  ///   - environment: all of its variables.
  ///   - streams: the descriptors of its standard input, output and error; nil is this process's
  ///     own, or no input.
  init(
    _ command: [String], environment: [String: String],
    streams: (input: CInt?, output: CInt?, errors: CInt?)
  ) throws(LaunchError) {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let input = streams.input {
      posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
    } else {
      posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    }
    if let output = streams.output {
      posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
    }
    if let errors = streams.errors {
      posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO)
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(
      &attributes,
      Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    posix_spawnattr_setpgroup(&attributes, 0)
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    // This process ignores broken pipes, and a child would inherit that.
    sigaddset(&signals, SIGPIPE)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
    var variables: [UnsafeMutablePointer<CChar>?] =
      environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for text in arguments + variables { free(text) } }
    var identifier: pid_t = 0
    let status = posix_spawn(
      &identifier, command[0], &actions, &attributes, &arguments, &variables)
    guard status == 0 else { throw LaunchError("cannot start \(command[0])", errorNumber: status) }
    self.identifier = identifier
  }

  /// Sends a signal to the process; without effect once it has ended.
  func send(_ signal: Int32) { kill(identifier, signal) }

  /// Kills the process and what it has started in its group.
  func killGroup() { kill(-identifier, SIGKILL) }

  /// How it ended, and nothing of its group is left; nil while it runs.
  func takeEnd() -> ProcessEnd? {
    var information = siginfo_t()
    let found = waitid(P_PID, id_t(identifier), &information, WEXITED | WNOHANG | WNOWAIT)
    guard found == 0, information.si_signo == SIGCHLD else { return nil }
    // After the reaping the number may belong to another group.
    killGroup()
    return waitForEnd()
  }

  /// Waits for its end.
  @discardableResult
  func waitForEnd() -> ProcessEnd {
    var status: CInt = 0
    while waitpid(identifier, &status, 0) == -1, errno == EINTR {}
    return ProcessEnd(status: status)
  }
}
