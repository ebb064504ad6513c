import Foundation
import Runs
import Testing

/// Signals belong to a whole process, so each test has its own.
struct StopSignalTests {
  /// Sends a signal to this process, as a terminal does, and waits up to ten seconds for it.
  private static func send(_ number: Int32) {
    kill(getpid(), number)
    for _ in 0..<1000 where !StopSignal.isRequested { usleep(10_000) }
  }

  @Test func `the first signal is noted and the process goes on`() async {
    await #expect(processExitsWith: .exitCode(7)) {
      StopSignal.install()
      guard !StopSignal.isRequested, StopSignal.name == nil else { exit(1) }
      Self.send(SIGTERM)
      guard StopSignal.isRequested, StopSignal.name == "SIGTERM" else { exit(2) }
      exit(7)
    }
  }

  @Test func `a second signal ends the process, unless it comes with the first`() async {
    await #expect(processExitsWith: .signal(SIGINT)) {
      StopSignal.install()
      Self.send(SIGTERM)
      Self.send(SIGTERM)
      Self.send(SIGINT)
      usleep(1_200_000)
      guard StopSignal.name == "SIGTERM" else { exit(2) }
      Self.send(SIGINT)
      sleep(10)
    }
  }

  @Test func `the end of the terminal is noted, however often it is told`() async {
    await #expect(processExitsWith: .exitCode(7)) {
      StopSignal.install()
      Self.send(SIGHUP)
      Self.send(SIGHUP)
      usleep(50_000)
      guard StopSignal.name == "SIGHUP" else { exit(2) }
      exit(7)
    }
  }

  @Test func `a hangup that is ignored stays so`() async {
    await #expect(processExitsWith: .exitCode(7)) {
      signal(SIGHUP, SIG_IGN)
      StopSignal.install()
      kill(getpid(), SIGHUP)
      usleep(50_000)
      exit(StopSignal.isRequested ? 1 : 7)
    }
  }

  @Test func `a process outlives the reader of its messages`() async {
    await #expect(processExitsWith: .exitCode(7)) {
      StopSignal.install()
      var ends: [Int32] = [0, 0]
      guard pipe(&ends) == 0 else { exit(1) }
      dup2(ends[1], STDERR_FILENO)
      close(ends[0])
      ProgressReporter.standardError().message("nobody reads this")
      exit(7)
    }
  }
}
