import DiffusionModels
import Foundation
import ImageFiles
import Rewards
import Synchronization
import TempFlow
import Testing
import Training

/// Images of 3 bytes in pieces of `count`.
private func piece(_ number: Int, rank: Int = 0, count: Int = 2) -> ScoringPiece {
  ScoringPiece(
    .init(rank: rank, number: number),
    (0..<count).map { SampleID(trunk: number, step: nil, branch: $0) },
    (0..<count).map { _ in
      .success(
        RewardSample(
          image: PixelBuffer(width: 1, height: 1, red: 1, green: 1, blue: 1), prompt: "a"))
    })
}

/// A reward whose calls wait until the gate opens.
private final class Gate: Sendable {
  private let isOpen = Mutex(false)
  let entered = Counter()

  func open() { isOpen.withLock { $0 = true } }

  func queue(piecesAtOnce: Int, byteLimit: Int = 1 << 20) -> ScoringQueue {
    let reward = StubReward { samples in
      self.entered.add(1)
      while !self.isOpen.withLock({ $0 }) {
        do { try await Task.sleep(for: .milliseconds(1)) } catch { break }
      }
      return RewardScores(total: samples.map { _ in 1 })
    }
    return ScoringQueue(
      Scorer([reward], weights: [1]), piecesAtOnce: piecesAtOnce, byteLimit: byteLimit)
  }

  /// Waits until that many pieces are under way.
  func waitUntilEntered(_ count: Int) async throws {
    while entered.count < count { try await Task.sleep(for: .milliseconds(1)) }
  }
}

/// What the tasks of a test have done.
private final class Record: Sendable {
  struct State {
    var taken: [Int] = []
    var isAdding = false
    var isAdded = false
  }

  let state = Mutex(State())
}

@Suite(.timeLimit(.minutes(1))) struct TakeBackTests {
  @Test func `pieces that have not begun are taken back from the end, and the others are scored`()
    async throws
  {
    let gate = Gate()
    let queue = gate.queue(piecesAtOnce: 2)
    for number in 0..<6 { try queue.add(piece(number)) }
    try await gate.waitUntilEntered(2)
    var status = queue.status
    #expect(status.movable == [2, 2, 2, 2] && status.underWay == 4 && status.unscored == 12)
    #expect(status.room == (1 << 20) - 12 * 3 && status.scored == 0 && !status.hasFailed)
    #expect(queue.takeBack(3).map(\.key.number) == [5, 4, 3])
    #expect(queue.status.movable == [2])
    #expect(queue.takeBack(9).map(\.key.number) == [2])
    #expect(queue.takeBack(9).isEmpty)
    gate.open()
    #expect(try await queue.finish().map(\.key.number) == [0, 1])
    status = queue.status
    #expect(status.unscored == 0 && status.scored == 4 && status.busySeconds > 0)
    #expect(status.quietSeconds == 0 && status.room == 1 << 20)
  }

  @Test func `a piece with an image that does not exist stays`() async throws {
    let gate = Gate()
    let queue = gate.queue(piecesAtOnce: 1)
    try queue.add(piece(0))
    try await gate.waitUntilEntered(1)
    let failure = NonFiniteImage.latents(.float16)
    try queue.add(
      ScoringPiece(
        .init(rank: 0, number: 1), [SampleID(trunk: 1, step: nil)], [.failure(failure)]))
    try queue.add(piece(2))
    #expect(queue.status.movable == [2] && queue.status.unscored == 5)
    #expect(queue.takeBack(9).map(\.key.number) == [2])
    gate.open()
    let scored = try await queue.finish()
    #expect(scored.map(\.key.number) == [0, 1])
    #expect(scored[1].columns[0].reasons == [0: failure.description])
  }

  @Test func `taking back makes room for the caller that waits`() async throws {
    let gate = Gate()
    let queue = gate.queue(piecesAtOnce: 1, byteLimit: 2 * 6)
    try queue.add(piece(0))
    try await gate.waitUntilEntered(1)
    try queue.add(piece(1))
    let record = Record()
    // Adding blocks its thread.
    let thread = Thread {
      record.state.withLock { $0.isAdding = true }
      do { try queue.add(piece(2)) } catch { return }
      record.state.withLock { $0.isAdded = true }
    }
    thread.start()
    while !record.state.withLock(\.isAdding) { try await Task.sleep(for: .milliseconds(1)) }
    // By then it waits; if not, less is tested.
    try await Task.sleep(for: .milliseconds(100))
    let isAdded = record.state.withLock(\.isAdded)
    #expect(!isAdded)
    #expect(queue.takeBack(1).map(\.key.number) == [1])
    while !record.state.withLock(\.isAdded) { try await Task.sleep(for: .milliseconds(1)) }
    gate.open()
    #expect(try await queue.finish().map(\.key.number) == [0, 2])
  }

  @Test func `each piece is scored once, here or where it was moved to, under contention`()
    async throws
  {
    let count = 2000
    let scored = Counter()
    let reward = StubReward { samples in
      scored.add(samples.count)
      return RewardScores(total: samples.map { _ in 1 })
    }
    for atOnce in [1, 3, 16] {
      let queue = ScoringQueue(Scorer([reward], weights: [1]), piecesAtOnce: atOnce)
      let before = scored.count
      let record = Record()
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          for number in 0..<count {
            try queue.add(piece(number, count: 1))
            if number % 16 == 0 { await Task.yield() }
          }
          record.state.withLock { $0.isAdded = true }
        }
        for _ in 0..<3 {
          group.addTask {
            while !record.state.withLock(\.isAdded) {
              let pieces = queue.takeBack(2)
              record.state.withLock { $0.taken += pieces.map(\.key.number) }
              let status = queue.status
              #expect(status.unscored >= status.underWay && status.room >= 0)
              await Task.yield()
            }
          }
        }
        try await group.waitForAll()
      }
      let own = try await queue.finish().map(\.key.number)
      let all = own + record.state.withLock(\.taken)
      #expect(all.sorted() == Array(0..<count), "\(atOnce) at once")
      #expect(scored.count - before == own.count)
      #expect(queue.status.unscored == 0 && queue.status.room == 1 << 30)
    }
  }

  @Test func `a queue keeps every reward at work and leaves the other pieces free`() {
    struct Sized: Reward {
      let name = "sized"
      let imagesAtOnce: Int?
      func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
        RewardScores(total: samples.map { _ in 1 })
      }
    }
    func pieces(_ images: Int?..., of size: Int, cores: Int = 4) -> Int {
      Scorer(images.map(Sized.init), weights: images.map { _ in 1 })
        .piecesAtOnce(of: size, cores: cores)
    }
    #expect(pieces(16, of: 64) == 2)
    #expect(pieces(16, of: 8) == 3)
    #expect(pieces(16, 65, of: 8) == 10)
    #expect(pieces(nil, of: 8) == 5)
    #expect(pieces(1000, of: 8) == Scorer.mostPiecesAtOnce)
  }
}
