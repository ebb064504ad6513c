import DiffusionModels
import Foundation
import ImageFiles
import Rewards
import Synchronization
import TempFlow
import Testing
import Training

/// One image of 3 x 16 bytes, identified by its brightness.
private func sample(_ level: UInt8) -> RewardSample {
  RewardSample(
    image: PixelBuffer(width: 4, height: 4, red: level, green: level, blue: level), prompt: "a")
}

private func queue(
  piecesAtOnce: Int = 16, byteLimit: Int = 1 << 20,
  _ body: @escaping @Sendable ([RewardSample]) async throws(RewardError) -> RewardScores
) -> ScoringQueue {
  ScoringQueue(
    Scorer([StubReward(body: body)], weights: [2]), piecesAtOnce: piecesAtOnce,
    byteLimit: byteLimit)
}

/// A piece whose images are identified by their brightness.
private func piece(_ number: Int, _ levels: UInt8...) -> ScoringPiece {
  ScoringPiece(
    .init(rank: 0, number: number),
    levels.indices.map { SampleID(trunk: number, step: nil, branch: $0) },
    levels.map { .success(sample($0)) })
}

private func pause(_ milliseconds: Int) async {
  do { try await Task.sleep(for: .milliseconds(milliseconds)) } catch {}
}

@Suite(.timeLimit(.minutes(1))) struct ScoringQueueTests {
  @Test func `slow rewards overlap up to the limit, and results keep the order of the images`()
    async throws
  {
    let running = Counter()
    let most = Mutex(0)
    let isAdded = Mutex(false)
    let queue = queue(piecesAtOnce: 4) { samples in
      while !isAdded.withLock({ $0 }) { await pause(1) }
      let now = running.add(1) + 1
      most.withLock { $0 = max($0, now) }
      // Earlier batches take longer.
      await pause(samples[0].image.pixels[0] < 6 ? 60 : 20)
      running.add(-1)
      return RewardScores(total: samples.map { Double($0.image.pixels[0]) })
    }
    // Adding does not wait for scores.
    for level in 0..<12 { try queue.add(piece(level, UInt8(level), UInt8(100 + level))) }
    isAdded.withLock { $0 = true }
    let pieces = try await queue.finish()
    #expect(most.withLock { $0 } == 4)
    #expect(pieces.map(\.key.number) == Array(0..<12))
    for (level, piece) in pieces.enumerated() {
      #expect(piece.columns == [RewardScores(total: [Double(level), Double(100 + level)])])
      #expect(piece.samples.map(\.trunk) == [level, level])
    }
    #expect(pieces.allSatisfy { $0.seconds >= 0.02 })
  }

  @Test func `images that are not yet scored take bounded memory`() async throws {
    let waiting = Counter()
    let queue = queue(byteLimit: 2 * 48) { samples in
      await pause(10)
      waiting.add(-samples.count)
      return RewardScores(total: samples.map { brightness($0.image) })
    }
    for level in 0..<8 {
      try queue.add(piece(level, UInt8(level)))
      #expect(waiting.add(1) < 2)
    }
    #expect(try await queue.finish().count == 8)
  }

  @Test func `an error cancels the other batches, and the next add throws it`() async throws {
    let (started, cancelled) = (Counter(), Counter())
    let queue = queue { samples throws(RewardError) in
      if samples[0].image.pixels[0] == 1 { throw .failed(reward: "stub", reason: "no") }
      started.add(1)
      do { try await Task.sleep(for: .seconds(60)) } catch { cancelled.add(1) }
      return RewardScores(total: [nil])
    }
    try queue.add(piece(0, 0))
    try queue.add(piece(2, 2))
    while started.count < 2 { await pause(1) }
    try queue.add(piece(1, 1))
    await #expect(throws: RewardError.failed(reward: "stub", reason: "no")) {
      while true {
        try queue.add(piece(3, 3))
        await pause(5)
      }
    }
    await #expect(throws: RewardError.failed(reward: "stub", reason: "no")) {
      try await queue.finish()
    }
    #expect(cancelled.count >= 2)
    #expect(queue.status.hasFailed)
  }

  @Test func `a released queue cancels its rewards`() async {
    let cancelled = Counter()
    let started = Counter()
    do {
      let queue = queue { samples in
        started.add(1)
        do { try await Task.sleep(for: .seconds(60)) } catch { cancelled.add(1) }
        return RewardScores(total: [nil])
      }
      #expect(throws: Never.self) { try queue.add(piece(0, 0)) }
      while started.count == 0 { await pause(2) }
    }
    for _ in 0..<500 where cancelled.count == 0 { await pause(2) }
    #expect(cancelled.count == 1)
  }

  @Test func `several rewards run concurrently and their scores stay separate`() async throws {
    let both = Counter()
    func slow(_ name: String, _ value: Double, part: String?) -> StubReward {
      StubReward(name: name) { samples in
        both.add(1)
        // Each one waits until the other has started.
        for _ in 0..<500 where both.count < 2 { await pause(2) }
        return RewardScores(
          total: samples.map { _ in both.count == 2 ? value : nil },
          parts: part.map { [.init(name: $0, values: samples.map { _ in 7 })] } ?? [])
      }
    }
    let scorer = Scorer([slow("one", 3, part: nil), slow("two", 5, part: "x")], weights: [1, 10])
    let scores = try await scorer.score([sample(1)])
    #expect(scores.rewards == [[3, 5]] && scores.weighted == [53])
    #expect(scores.parts == [.init(name: "two.x", values: [7])])
  }

  @Test func `non-finite and missing scores are counted by reward and reason`() async throws {
    let first = StubReward(name: "first") { samples in
      RewardScores(total: samples.map { $0.image.pixels[0] == 1 ? .nan : 1 })
    }
    let second = StubReward(name: "second") { samples in
      RewardScores(
        total: samples.map { $0.image.pixels[0] > 1 ? nil : 1 },
        parts: samples[0].image.pixels[0] > 1
          ? [] : [.init(name: "part", values: samples.map { _ in 4 })],
        reasons: Dictionary(
          uniqueKeysWithValues: samples.indices.map { ($0, $0 == 0 ? "refused" : "timed out") }))
    }
    let scorer = Scorer([first, second], weights: [1, 1])
    let queue = ScoringQueue(scorer)
    try queue.add(piece(0, 2, 2, 3))
    try queue.add(piece(1, 1, 0))
    let scores = scorer.combine(try await queue.finish())
    #expect(scores.weighted == [nil, nil, nil, nil, 2])
    #expect(
      scores.missing.text
        == "first 1 (not a finite number: 1); second 3 (refused: 1, timed out: 2)")
    #expect(scores.missing.count(of: "second") == 3 && scores.missing.count(of: "third") == 0)
    #expect(scores.missing.excess(over: 0.6, of: 5) == nil)
    #expect(
      scores.missing.excess(over: 0.5, of: 5)
        == "3 of 5 scores of second are missing (refused: 1, timed out: 2)")
    // A batch without scores has no parts.
    #expect(scores.parts == [.init(name: "second.part", values: [nil, nil, nil, 4, 4])])
  }

  @Test func `numbers whose mean could overflow are no scores`() async throws {
    let scorer = Scorer(
      [
        StubReward { _ in
          RewardScores(
            total: [1e200, 1e100, -1e150], parts: [.init(name: "x", values: [1.7e308, 2, 3])])
        }
      ], weights: [1])
    let scores = try await scorer.score([sample(0), sample(1), sample(2)])
    #expect(scores.weighted == [nil, 1e100, nil])
    #expect(scores.missing.text == "stub 2 (beyond ±1e100: 2)")
    #expect(scores.parts == [.init(name: "stub.x", values: [nil, 2, 3])])
  }

  @Test func `draining waits until work that was under way has ended`() async throws {
    let ended = Counter()
    let queue = queue { samples throws(RewardError) in
      if samples[0].image.pixels[0] == 1 { throw .failed(reward: "stub", reason: "gone") }
      await pause(60_000)
      await Task.detached { await pause(200) }.value
      ended.add(1)
      return RewardScores(total: [1])
    }
    try queue.add(piece(0, 0))
    await pause(50)
    try queue.add(piece(1, 1))
    let start = ContinuousClock.now
    await queue.drain()
    #expect(ended.count == 1)
    #expect(start.duration(to: .now) < .seconds(4))
  }

  @Test func `a reward that returns too few scores fails`() async {
    let scorer = Scorer([StubReward { _ in RewardScores(total: [1]) }], weights: [1])
    await #expect(
      throws: RewardError.failed(reward: "stub", reason: "it returned 1 scores for 2 images")
    ) {
      try await scorer.score([sample(0), sample(1)])
    }
  }
}
