import Foundation
import ProcessGroups
import TestSupport
import Testing

/// Processes that meet through a store of this process, as torchrun's do through its agent's.
@Suite(.serialized) struct ManyProcessesTests {
  /// A launcher's store in this process.
  private final class Agent {
    let store: Store
    let size: Int
    let attempt: Int

    init(size: Int, attempt: Int = 0) throws {
      let variables = LaunchVariables(
        rank: 0, size: size, localRank: 0, localSize: size, host: "127.0.0.1", port: 0)
      store = try Store(variables, serves: true, workers: 0, timeout: .seconds(30))
      (self.size, self.attempt) = (size, attempt)
    }

    /// Starts the processes with torchrun's variables.
    ///
    /// - Parameter counted: whether they are told how many are on this host.
    func start(
      _ arguments: [String], counted: Bool = true, folder: String
    ) throws -> [WorkerProcess] {
      try (0..<size).map { rank in
        try WorkerProcess(
          arguments,
          environment: [
            "RANK": "\(rank)", "WORLD_SIZE": "\(size)", "LOCAL_RANK": "\(rank)",
            "LOCAL_WORLD_SIZE": counted ? "\(size)" : "", "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": "\(store.port)", "TORCHELASTIC_USE_AGENT_STORE": "True",
            "TORCHELASTIC_RESTART_COUNT": "\(attempt)", "TORCHELASTIC_RUN_ID": "none",
          ], folder: folder)
      }
    }
  }

  private static var leader: Regex<(Substring, Substring)> { /(?m)^joined ([0-9]+)$/ }

  private func results(_ line: String) throws -> [String: [Double]] {
    try JSONDecoder().decode([String: [Double]].self, from: Data(line.utf8))
  }

  /// What rank `rank` of `size` prints.
  private func expected(_ rank: Int, of size: Int) -> [String: [Double]] {
    let ranks = 0..<size
    // From each rank p its rows [p, rank, i], i < p + rank.
    let rows = ranks.flatMap { peer in (0..<(peer + rank)).map { [peer, rank, $0] } }
    let values: [String: [Int]] = [
      "place": [rank, size, rank, size],
      "sum": [size * (size + 1) / 2, size * (size + 1) * (2 * size + 1) / 6], "sum shape": [2],
      "broadcast": [size - 1, 7], "broadcast shape": [2],
      "gather": ranks.flatMap { [$0, 10 * $0] }, "gather shape": [size, 2],
      "begun 0": Array(ranks), "begun 0 shape": [size, 1],
      "begun 1": ranks.map { -$0 }, "begun 1 shape": [size, 1],
      "exchange": rows.flatMap(\.self), "exchange shape": [rows.count, 3],
      "bytes": ranks.flatMap { [$0] + Array(repeating: $0, count: $0) },
    ]
    return values.mapValues { $0.map(Double.init) }
  }

  @Test(arguments: [2, 3])
  func `every collective has its closed form, through an agent's store`(_ size: Int) throws {
    try withTemporaryFolder { folder in
      let agent = try Agent(size: size, attempt: 2)
      let workers = try agent.start(["collectives"], counted: size == 2, folder: folder)
      for (rank, worker) in workers.enumerated() {
        #expect(try worker.status() == 0)
        #expect(try results(try worker.output) == expected(rank, of: size))
      }
      // The keys of an attempt are its own.
      let place = try agent.store.value("/worker/attempt_2/place/1", timeout: .seconds(5))
      #expect(place.hasPrefix("\(workers[1].identifier) "))
      #expect(try agent.store.value("place/1", timeout: .seconds(5)).isEmpty)
    }
  }

  @Test func `processes of a launcher meet through rank 0's store`() throws {
    try withTemporaryFolder { folder in
      let worker = builtProduct("ProcessGroupWorker")
      let launcher = try WorkerProcess(
        ["launch", "3", "1", "0", "0", "30", "0", "2", "--", worker, "collectives"],
        environment: [:], folder: folder)
      #expect(try launcher.status() == 0)
      let lines = try launcher.output.split(separator: "\n").map(String.init)
      #expect(lines.count == 3)
      for rank in 0..<3 {
        // Rank 0's line is passed on as it is.
        let prefix = rank == 0 ? "{" : "[\(rank)] {"
        let line = try #require(lines.first { $0.hasPrefix(prefix) })
        let object = rank == 0 ? line : String(line.dropFirst(4))
        #expect(try results(object) == expected(rank, of: 3))
      }
    }
  }

  @Test(arguments: [SIGKILL, SIGSTOP])
  func `a process that is killed or stopped is named by all others`(_ signal: Int32) throws {
    try withTemporaryFolder { folder in
      let agent = try Agent(size: 3)
      let workers = try agent.start(["sums", "3"], folder: folder)
      for worker in workers { try worker.wait(for: "joined") }
      workers[1].send(signal)
      for worker in [workers[0], workers[2]] {
        #expect(try worker.status() == 3)
        let output = try worker.output
        #expect(output.contains("lost ranks [1]"), "\(output)")
        #expect(output.contains("process \(workers[1].identifier)) no longer answers"))
      }
    }
  }

  /// The last one comes while the others search for the reason.
  @Test(arguments: [(3, "9"), (5, "9"), (4, "4")])
  func `a process that comes too late is named, also by itself`(
    _ size: Int, _ pause: String
  ) throws {
    try withTemporaryFolder { folder in
      let agent = try Agent(size: size)
      let workers = try agent.start(["sums", "2", "1", pause], folder: folder)
      for worker in workers {
        #expect(try worker.status() == 3)
        let output = try worker.output
        #expect(output.contains("late ranks [1]"), "\(output)")
        #expect(output.contains("rank 1 (") && output.contains(") did not come to a sum, and is "))
        #expect(!output.contains("no longer answers"), "\(output)")
      }
    }
  }

  @Test(arguments: [SIGKILL, SIGSTOP])
  func `the loss of rank 0, which keeps the store, is named`(_ signal: Int32) throws {
    try withTemporaryFolder { folder in
      let worker = builtProduct("ProcessGroupWorker")
      let launcher = try WorkerProcess(
        ["launch", "2", "1", "0", "0", "0", "0", "1", "--", worker, "sums", "3"],
        environment: [:], folder: folder)
      try launcher.wait(for: "[1] joined")
      // Rank 0's standard output is the launcher's, without a prefix.
      try launcher.waitUntil { try launcher.output.contains(Self.leader) }
      let text = try #require(try launcher.output.firstMatch(of: Self.leader)?.1)
      let leader = try #require(Int32(text))
      kill(leader, signal)
      let status = try launcher.status()
      let output = try launcher.output
      if signal == SIGKILL {
        #expect(status == 128 + SIGKILL && output.contains("rank 0 was killed by SIGKILL"))
      } else {
        #expect(status == 3 && output.contains("rank 1 exited with status 3"), "\(output)")
        #expect(output.contains("process \(leader)), which keeps the store"))
      }
    }
  }
}
