import Foundation
import Rewards
import TestSupport
import Testing

/// A `process` reward on several processes of one host, which are objects of this process here.
@Suite struct SharedProcessRewardTests {
  private let memory = NSTemporaryDirectory() + "tempflow-child-\(UUID().uuidString)"
  private let run = UUID().uuidString

  private func place(_ rank: Int, of size: Int = 3) -> RewardPlace {
    RewardPlace(rank: rank, size: size, localRank: rank, localSize: size, rendezvous: run)
  }

  private func reward(
    _ mode: String, at place: RewardPlace, _ change: (inout ProcessFactory) -> Void = { _ in }
  ) throws -> any Reward {
    var settings = ProcessFactory()
    settings.retry = shortRetry
    settings.command = ["python3", fixture("rewards/child.py"), mode, memory]
    settings.batchSize = 2
    // The start of Python may take long on a busy machine.
    settings.retry.outageTimeout = 30
    change(&settings)
    return try RewardEntry(settings).makeReward(at: place)
  }

  private func rewards(
    _ mode: String, _ change: (inout ProcessFactory) -> Void = { _ in }
  ) throws -> [any Reward] {
    try (0..<3).map { try reward(mode, at: place($0), change) }
  }

  /// The process identifiers of all children so far.
  private func children() throws -> [pid_t] {
    try String(contentsOfFile: memory, encoding: .utf8).split(separator: "\n")
      .compactMap { pid_t($0) }
  }

  private var socket: Rendezvous { Rendezvous(place(0), label: "process") }

  /// Waits until the child has read as many requests.
  private func requests(_ count: Int) async throws {
    while true {
      if let text = try? String(contentsOfFile: memory + ".requests", encoding: .utf8),
        text.count(where: { $0 == "\n" }) >= count
      {
        return
      }
      try await Task.sleep(for: .milliseconds(10))
    }
  }

  /// Lets a child of the mode `waits` answer.
  private func go() throws { try Data().write(to: URL(filePath: memory + ".go")) }

  /// The scores of every rank for as many samples each, asked for at once.
  private func scores(
    _ rewards: [any Reward], _ counts: [Int]
  ) async throws -> [RewardScores] {
    try await withThrowingTaskGroup(of: (Int, RewardScores).self) { group in
      for (rank, reward) in rewards.enumerated() {
        group.addTask { (rank, try await reward.score(samples(counts[rank]))) }
      }
      var scores: [Int: RewardScores] = [:]
      for try await (rank, found) in group { scores[rank] = found }
      return scores.sorted { $0.key < $1.key }.map(\.value)
    }
  }

  @Test(arguments: ImageTransport.allCases)
  func `three processes share one child, and each gets its own scores`(
    images: ImageTransport
  ) async throws {
    let rewards = try rewards("good") { $0.imageTransport = images }
    for counts in [[5, 9, 4], [1, 1, 1], [2, 7, 12]] {
      let found = try await scores(rewards, counts)
      for (scores, count) in zip(found, counts) {
        #expect(scores.total == (0..<count).map { Double($0 + 1) })
        let inline: Double = images == .inline ? 1 : 0
        #expect(scores[part: "inline"] == Array(repeating: inline, count: count))
      }
    }
    #expect(try children().count == 1)
    #expect(!FileManager.default.fileExists(atPath: socket.path))
  }

  @Test func `concurrency is the number of children of the host`() async throws {
    let rewards = try rewards("good") { $0.concurrency = 2 }
    let found = try await scores(rewards, [12, 12, 12])
    #expect(found.map(\.total) == Array(repeating: (1...12).map(Double.init), count: 3))
    #expect(try children().count == 2)
  }

  @Test func `rewards of one run do not mix`() async throws {
    let other = NSTemporaryDirectory() + "tempflow-child-\(UUID().uuidString)"
    func change(_ settings: inout ProcessFactory) { settings.command[3] = other }
    let held = place(0, of: 2).within("held_out_rewards")
    let heldPeer = place(1, of: 2).within("held_out_rewards")
    let all = [
      try reward("good", at: place(0, of: 2)), try reward("good", at: place(1, of: 2)),
      try reward("good", at: held, change), try reward("good", at: heldPeer, change),
    ]
    let found = try await scores(all, [3, 4, 5, 6])
    #expect(found.map(\.total.count) == [3, 4, 5, 6])
    #expect(try children().count == 1)
    #expect(try String(contentsOfFile: other, encoding: .utf8).count(where: { $0 == "\n" }) == 1)
  }

  @Test(arguments: ["dies", "stutters"])
  func `a child that dies or breaks the protocol is started again for all processes`(
    mode: String
  ) async throws {
    let found = try await scores(rewards(mode) { $0.retry.retries = 1 }, [6, 6, 6])
    #expect(found.map(\.total) == Array(repeating: (1...6).map(Double.init), count: 3))
    #expect(try children().count == 2)
  }

  @Test func `without retries a child that dies costs another process its samples`() async throws {
    let rewards = try rewards("dies") { $0.batchSize = 1 }
    #expect(try await rewards[0].score(samples(1)).total == [1])
    #expect(try await rewards[2].score(samples(1)).reasons == [0: "process ended"])
    #expect(try await rewards[1].score(samples(1)).total == [1])
    withExtendedLifetime(rewards) {}
  }

  @Test func `a sample without a score has its reason on every process`() async throws {
    let rewards = try rewards("undefined") { $0.batchSize = 3 }
    for reward in rewards {
      #expect(try await reward.score(samples(3)).reasons == [2: "not a finite number"])
    }
    #expect(try children().count == 1)
  }

  @Test func `a program that cannot start ends the run on every process`() async throws {
    for reward in try rewards("broken", { $0.retry.retries = 100 }) {
      let error = await #expect(throws: RewardError.self) { try await reward.score(samples(1)) }
      let text = try #require(error?.description)
      #expect(text.contains("ended (exit status 3) before it answered"), "\(text)")
      #expect(text.contains("No module named 'my_reward'"), "\(text)")
    }
  }

  @Test func `a process that asks first waits for the one that starts the child`() async throws {
    let peer = try reward("good", at: place(1, of: 2))
    async let early = peer.score(samples(3))
    try await Task.sleep(for: .milliseconds(200))
    let owner = try reward("good", at: place(0, of: 2))
    #expect(try await early.total == [1, 2, 3])
    #expect(try await owner.score(samples(1)).total == [1])
  }

  @Test func `nobody who listens is an error that names the socket`() async throws {
    let peer = try reward("good", at: place(1)) { $0.retry.timeout = 0.3 }
    let error = await #expect(throws: RewardError.self) { try await peer.score(samples(3)) }
    let text = try #require(error?.description)
    #expect(text.contains("local rank 0 of this host, which runs python3 "), "\(text)")
    #expect(text.hasSuffix("has not listened at \(socket.path) for 0.3 s"), "\(text)")
  }

  @Test func `the end of the process that runs the child is an error on the others`() async throws {
    var owner: (any Reward)? = try reward("waits", at: place(0, of: 2))
    let peer = try reward("waits", at: place(1, of: 2))
    let asking = Task { try await peer.score(samples(3)) }
    try await requests(1)
    #expect(owner?.name == "process")
    owner = nil
    let process = ProcessInfo.processInfo.processIdentifier
    for attempt in 0..<2 {
      let error = await #expect(throws: RewardError.self) {
        attempt == 0 ? try await asking.value : try await peer.score(samples(1))
      }
      let text = try #require(error?.description)
      #expect(text.contains("failed: rank 0 (process \(process)), which runs python3 "), "\(text)")
      #expect(text.hasSuffix(" for the processes of this host, ended"), "\(text)")
    }
    try go()
  }

  @Test func `a process that is killed while it runs the child is named by the others`()
    async throws
  {
    let owner = try PythonServer("rewards/silent_owner.py", arguments: [socket.path])
    let peer = try reward("good", at: place(1, of: 2))
    let asking = Task { try await peer.score(samples(1)) }
    while FileManager.default.fileExists(atPath: socket.path) {
      try await Task.sleep(for: .milliseconds(10))
    }
    owner.kill()
    let error = await #expect(throws: RewardError.self) { try await asking.value }
    #expect(error?.description.hasSuffix(" for the processes of this host, ended") == true)
  }

  @Test func `a process that runs the child and hangs is named by the others`() async throws {
    let owner = try PythonServer("rewards/silent_owner.py", arguments: [socket.path])
    let peer = try reward("good", at: place(1, of: 2)) { $0.retry.timeout = 1 }
    let error = await #expect(throws: RewardError.self) { try await peer.score(samples(1)) }
    let text = try #require(error?.description)
    #expect(text.contains("rank 0 (process \(owner.port)), which runs python3 "), "\(text)")
    #expect(text.hasSuffix("has given no sign of life for 5.0 s"), "\(text)")
  }

  @Test func `a process that is killed while it waits for scores does not disturb the others`()
    async throws
  {
    let owner = try reward("waits", at: place(0))
    let asker = try PythonServer("rewards/asking_rank.py", arguments: [socket.path])
    let peer = try reward("waits", at: place(2))
    try await requests(1)
    async let scores = (owner.score(samples(3)), peer.score(samples(4)))
    asker.kill()
    try go()
    let found = try await scores
    #expect(found.0.total == [1, 2, 3])
    #expect(found.1.total == [1, 2, 3, 4])
    // The child dies of the killed process's image, which is none, or answers it.
    #expect(try children().count <= 2)
  }

  @Test func `a canceled request returns once its images are no longer read`() async throws {
    let owner = try reward("waits", at: place(0, of: 2)) { $0.batchSize = 1 }
    let peer = try reward("waits", at: place(1, of: 2)) { $0.batchSize = 1 }
    let asking = Task { try await peer.score(samples(5)) }
    try await requests(1)
    asking.cancel()
    try go()
    _ = await asking.result
    #expect(try await owner.score(samples(2)).total == [1, 2])
    #expect(try await peer.score(samples(2)).total == [1, 2])
    #expect(try children().count == 1)
    withExtendedLifetime(owner) {}
  }

  #if os(Linux)
    @Test func `a child inherits no connection, which it would keep open`() async throws {
      let rewards = try rewards("good")
      _ = try await scores(rewards, [1, 1, 1])
      let child = try #require(try children().first)
      let files = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(child)/fd")
      let targets = files.compactMap {
        try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(child)/fd/\($0)")
      }
      // Number, path and others of every Unix-domain socket; the accepted ones have the path.
      let sockets = try String(contentsOfFile: "/proc/net/unix", encoding: .utf8)
        .split(separator: "\n").map { $0.split(separator: " ") }
        .filter { $0.last == Substring(socket.path) }.map { "socket:[\($0[6])]" }
      #expect(sockets.count == 2)
      #expect(Set(targets).isDisjoint(with: sockets), "\(sockets) in \(targets)")
      withExtendedLifetime(rewards) {}
    }
  #endif
}
