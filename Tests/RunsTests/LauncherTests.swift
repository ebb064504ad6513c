import Foundation
import TestSupport
import Testing

/// Launchers of shell commands. Each runs in a process of its own, since it owns its signals.
@Suite(.serialized) struct LauncherTests {
  /// A launcher whose standard output and standard error go into files.
  private final class LauncherProcess {
    private let process = Process()
    private let files: [URL]

    /// - Parameters:
    ///   - restarts: at most; `timeout` and `grace` in seconds.
    ///   - hosts: how many, and the number of this one.
    init(
      _ count: Int, _ script: String, timeout: Int = 60, restarts: Int = 0, grace: Int = 20,
      hosts: (count: Int, index: Int, port: Int) = (1, 0, 0), folder: String
    ) throws {
      files = ["output", "errors"].map { URL(filePath: "\(folder)/\(UUID())-\($0)") }
      for file in files { try Data().write(to: file) }
      let numbers = [count, hosts.count, hosts.index, hosts.port, timeout, restarts, grace]
      process.executableURL = URL(filePath: builtProduct("ProcessGroupWorker"))
      process.arguments =
        ["launch"] + numbers.map { "\($0)" } + ["--", "/bin/sh", "-c", script, "child", folder]
      process.standardOutput = try FileHandle(forWritingTo: files[0])
      process.standardError = try FileHandle(forWritingTo: files[1])
      try process.run()
    }

    deinit {
      if process.isRunning { send(SIGKILL) }
      process.waitUntilExit()
    }

    var output: String { get throws { try String(contentsOf: files[0], encoding: .utf8) } }
    var errors: String { get throws { try String(contentsOf: files[1], encoding: .utf8) } }

    func lines() throws -> [String] {
      try (output + errors).split(separator: "\n").map(String.init).sorted()
    }

    func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

    /// Waits for the end; a process that a signal has ended has no status.
    func status() throws -> Int32? {
      try waitUntil { !process.isRunning }
      return process.terminationReason == .exit ? process.terminationStatus : nil
    }
  }

  /// One minute is long for every test and short for one that hangs.
  private static func waitUntil(_ isDone: () throws -> Bool) throws {
    let deadline = ContinuousClock.now + .seconds(60)
    while try !isDone() {
      guard ContinuousClock.now < deadline else { throw CocoaError(.coderReadCorrupt) }
      usleep(20_000)
    }
  }

  private static func wait(for text: String, count: Int = 1, in launcher: LauncherProcess) throws {
    try waitUntil {
      try launcher.lines().count { $0.contains(text) } >= count
    }
  }

  @Test func `every process gets its place, and its lines a prefix`() throws {
    try withTemporaryFolder { folder in
      let script = """
        echo $RANK $WORLD_SIZE $LOCAL_RANK $LOCAL_WORLD_SIZE $MASTER_ADDR \
        $TORCHELASTIC_RESTART_COUNT $TEMPFLOW_LAUNCH
        printf 'a\\rb' >&2
        """
      let launcher = try LauncherProcess(
        2, script, hosts: (2, 1, 4000), folder: folder)
      #expect(try launcher.status() == 0)
      let lines = try launcher.output.split(separator: "\n").sorted()
        .map { $0.split(separator: " ") }
      #expect(
        lines.map { $0.dropLast().joined(separator: " ") } == [
          "[2] 2 4 0 2 127.0.0.1 0", "[3] 3 4 1 2 127.0.0.1 0",
        ])
      // The launch has one name of its own.
      #expect(Set(lines.map(\.last)).count == 1 && lines[0].last!.count > 6, "\(lines)")
      #expect(try launcher.errors.split(separator: "\n").sorted() == ["[2] b", "[3] b"])
    }
  }

  @Test func `rank 0's standard output is passed on as it is`() throws {
    try withTemporaryFolder { folder in
      let launcher = try LauncherProcess(
        2, "[ $RANK = 1 ] && echo line || printf '{\\n}'; echo from $RANK >&2", folder: folder)
      #expect(try launcher.status() == 0)
      #expect(try launcher.output.replacing("[1] line\n", with: "") == "{\n}")
      #expect(try launcher.errors.split(separator: "\n").sorted() == ["[0] from 0", "[1] from 1"])
    }
  }

  @Test func `all processes of an attempt meet at one free port`() throws {
    try withTemporaryFolder { folder in
      let launcher = try LauncherProcess(
        2, "echo port $MASTER_PORT >&2; exit 1", restarts: 2, folder: folder)
      #expect(try launcher.status() == 1)
      let ports = try launcher.lines().compactMap { Int($0.split(separator: " port ").last ?? "") }
        .filter { $0 > 0 }
      // Three attempts of two processes; two attempts may draw one port, three do not.
      let counts = Dictionary(grouping: ports, by: \.self).values.map(\.count)
      #expect(counts.count > 1 && counts.allSatisfy { $0.isMultiple(of: 2) })
      #expect(ports.count == 6 && ports.allSatisfy { (1...65535).contains($0) })
    }
  }

  @Test func `the rank that fails first gives the status, and the others are ended`() throws {
    try withTemporaryFolder { folder in
      let script = """
        if [ $RANK = 1 ]; then exit 7; fi
        sleep 1000 & wait
        """
      let launcher = try LauncherProcess(3, script, timeout: 0, folder: folder)
      #expect(try launcher.status() == 7)
      let lines = try launcher.lines()
      #expect(lines.contains("tempflow launch: rank 1 exited with status 7"))
      #expect(
        lines.contains("tempflow launch: ranks 0, 2 did not end within 0 s and are stopped"))
    }
  }

  @Test func `a killed process is named with its signal`() throws {
    try withTemporaryFolder { folder in
      let launcher = try LauncherProcess(
        2, "[ $RANK = 0 ] || kill -KILL $$; sleep 1000", timeout: 0, folder: folder)
      #expect(try launcher.status() == 128 + SIGKILL)
      #expect(try launcher.errors.contains("rank 1 was killed by SIGKILL"))
    }
  }

  @Test func `a process that ignores SIGTERM is killed with what it has started`() throws {
    try withTemporaryFolder { folder in
      let script = """
        [ $RANK = 0 ] && { while ! [ -e $1/ready ]; do sleep 0.02; done; exit 1; }
        trap '' TERM
        sleep 1000 &
        echo $! > $1/sleeper
        mv $1/sleeper $1/ready
        while true; do wait; done
        """
      let launcher = try LauncherProcess(
        2, script, timeout: 0, grace: 0, folder: folder)
      #expect(try launcher.status() == 1)
      let text = try String(contentsOfFile: "\(folder)/ready", encoding: .utf8)
      let sleeper = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
      try Self.waitUntil { !isRunning(sleeper) }
    }
  }

  @Test func `each signal reaches every process once, and a stop is no failure`() throws {
    try withTemporaryFolder { folder in
      let script = """
        interrupts=0
        trap 'interrupts=$((interrupts + 1)); echo interrupted $interrupts >&2' INT
        trap 'echo ended after $interrupts >&2; exit 0' TERM
        echo ready >&2
        while true; do sleep 0.05; done
        """
      let launcher = try LauncherProcess(2, script, restarts: 3, folder: folder)
      try Self.wait(for: "ready", count: 2, in: launcher)
      for count in 1...2 {
        launcher.send(SIGINT)
        try Self.wait(for: "interrupted \(count)", count: 2, in: launcher)
      }
      launcher.send(SIGTERM)
      #expect(try launcher.status() == 0)
      let lines = try launcher.lines()
      #expect(
        lines
          == [0, 1].flatMap { rank in
            ["ended after 2", "interrupted 1", "interrupted 2", "ready"].map { "[\(rank)] \($0)" }
          })
    }
  }

  @Test func `the end of a terminal, of which two signals may tell, asks for one stop`() throws {
    try withTemporaryFolder { folder in
      let script = """
        count=0
        trap 'count=$((count + 1)); echo asked $count >&2' TERM
        trap 'echo left after $count >&2; exit 0' INT
        echo ready >&2
        while true; do sleep 0.05; done
        """
      let launcher = try LauncherProcess(2, script, restarts: 3, folder: folder)
      try Self.wait(for: "ready", count: 2, in: launcher)
      for _ in 1...2 {
        launcher.send(SIGHUP)
        try Self.wait(for: "asked 1", count: 2, in: launcher)
      }
      launcher.send(SIGINT)
      #expect(try launcher.status() == 0)
      #expect(
        try launcher.lines()
          == [0, 1].flatMap { rank in
            ["asked 1", "left after 1", "ready"].map { "[\(rank)] \($0)" }
          })
    }
  }

  @Test func `a process that a passed signal ends is not started again`() throws {
    try withTemporaryFolder { folder in
      let launcher = try LauncherProcess(
        2, "echo ready >&2; sleep 1000 & wait", restarts: 3, folder: folder)
      try Self.wait(for: "ready", count: 2, in: launcher)
      launcher.send(SIGINT)
      launcher.send(SIGTERM)
      let status = try launcher.status()
      #expect(status == 128 + SIGINT || status == 128 + SIGTERM)
      #expect(try !launcher.errors.contains("again"))
    }
  }

  @Test func `after a failure all processes are started again, up to the limit`() throws {
    try withTemporaryFolder { folder in
      let script = """
        echo attempt $TORCHELASTIC_RESTART_COUNT >&2
        [ $TORCHELASTIC_RESTART_COUNT = 2 ] || [ $RANK = 0 ]
        """
      let once = try LauncherProcess(2, script, restarts: 3, folder: folder)
      #expect(try once.status() == 0)
      for attempt in 0...2 {
        #expect(try once.lines().count { $0.hasSuffix("attempt \(attempt)") } == 2)
      }
      #expect(
        try once.errors.contains(
          "tempflow launch: all processes are started again (restart 2 of 3)"))
      let limited = try LauncherProcess(2, script, restarts: 1, folder: folder)
      #expect(try limited.status() == 1)
      #expect(try !limited.errors.contains("attempt 2"))
    }
  }

  @Test func `two hosts restart together, at the port of the attempt`() throws {
    try withTemporaryFolder { folder in
      // Rank 3 fails in its first attempt; the others then miss it, as training would.
      let script = """
        echo rank $RANK attempt $TORCHELASTIC_RESTART_COUNT port $MASTER_PORT >&2
        [ $TORCHELASTIC_RESTART_COUNT = 1 ] && exit 0
        [ $RANK = 3 ] && { touch $1/failed; exit 5; }
        while ! [ -e $1/failed ]; do sleep 0.02; done
        exit 3
        """
      let hosts = try (0..<2).map {
        try LauncherProcess(2, script, restarts: 1, hosts: (2, $0, 4000), folder: folder)
      }
      for (index, host) in hosts.enumerated() {
        #expect(try host.status() == 0)
        for rank in [2 * index, 2 * index + 1] {
          for attempt in 0...1 {
            let line = "[\(rank)] rank \(rank) attempt \(attempt) port \(4000 + attempt)"
            #expect(try host.lines().contains(line))
          }
        }
      }
    }
  }

  @Test func `processes do not outlive a launcher that is killed`() throws {
    try withTemporaryFolder { folder in
      let script = """
        [ $RANK = 0 ] && trap '' TERM
        echo process $$ >&2
        while true; do sleep 0.05; done
        """
      let launcher = try LauncherProcess(2, script, grace: 1, folder: folder)
      try Self.wait(for: "process", count: 2, in: launcher)
      let children = try launcher.lines().compactMap { Int32($0.split(separator: " ").last ?? "") }
      #expect(children.count == 2 && children.allSatisfy { isRunning($0) })
      launcher.send(SIGKILL)
      #expect(try launcher.status() == nil)
      try Self.waitUntil { !children.contains { isRunning($0) } }
    }
  }

  @Test func `a program that does not exist is an error, and no process is left`() throws {
    try withTemporaryFolder { folder in
      let run = try ProgramRun(
        builtProduct("ProcessGroupWorker"),
        ["launch", "2", "1", "0", "0", "1", "0", "1", "--", "\(folder)/none"])
      #expect(run.status == 2)
      #expect(
        run.output.contains("cannot start \(folder)/none: No such file or directory"))
    }
  }
}
