internal import Foundations

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A shell that outlives this process, however that ends, and ends the processes that it leaves.
///
/// It reads the process groups that run from a pipe. When this process ends, the system closes the
/// pipe, and the groups of the last line get SIGTERM, and after a few seconds SIGKILL.
final class LaunchGuard {
  private let shell: SpawnedProcess
  private let groups: CInt

  private static let script = """
    exec >/dev/null 2>&1
    groups=
    while read -r line; do groups=$line; done
    kill_all() { for group in $groups; do kill -s "$1" -- "-$group"; done; }
    runs() {
      for group in $groups; do kill -s 0 -- "-$group" && return 0; done
      return 1
    }
    kill_all TERM
    kill_all CONT
    left=$1
    while [ "$left" -gt 0 ] && runs; do sleep 1; left=$((left - 1)); done
    kill_all KILL
    """

  /// - Parameter grace: seconds between SIGTERM and SIGKILL.
  init(grace: Int, environment: [String: String]) throws(LaunchError) {
    let pipe = try DescriptorPipe()
    defer { close(pipe.reading) }
    do throws(LaunchError) {
      shell = try SpawnedProcess(
        ["/bin/sh", "-c", Self.script, "tempflow-launch-guard", "\(grace)"],
        environment: environment, streams: (pipe.reading, nil, nil))
    } catch {
      close(pipe.writing)
      throw error
    }
    groups = pipe.writing
  }

  /// Names the process groups that run.
  func watch(_ identifiers: [pid_t]) {
    let line = identifiers.map { "\($0)" }.joined(separator: " ") + "\n"
    StandardStream.write(Array(line.utf8), to: groups)
  }

  /// Nothing is left to watch.
  deinit {
    watch([])
    close(groups)
    shell.waitForEnd()
  }
}
