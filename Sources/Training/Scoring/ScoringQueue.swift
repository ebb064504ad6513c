package import Rewards

/// Scores pieces on other threads while the caller makes the next ones.
///
/// Plain values cross the threads. The number of pieces scored at once is bounded, and so is the
/// memory of images that wait for their scores: beyond it, `add` waits. A piece that has not begun
/// can be taken back. After the first error `add` and `finish` throw it; `drain` ends all other
/// work.
package final class ScoringQueue: Sendable {
  /// Most bytes of images that wait for their scores where nothing else is given: 1 GiB.
  package static let byteLimit = 1 << 30

  private let ledger: ScoringLedger
  /// One for each piece that was added; a piece that is taken back leaves its ticket.
  private let tickets: AsyncStream<Void>.Continuation
  private let work: Task<Void, any Error>

  /// - Parameters:
  ///   - piecesAtOnce: most pieces scored at the same time.
  ///   - byteLimit: most bytes of images that wait for their scores; a larger piece waits alone.
  package init(
    _ scorer: Scorer, piecesAtOnce: Int = Scorer.mostPiecesAtOnce,
    byteLimit: Int = ScoringQueue.byteLimit
  ) {
    let stream: AsyncStream<Void>
    (stream, tickets) = AsyncStream.makeStream()
    let ledger = ScoringLedger(byteLimit: byteLimit)
    self.ledger = ledger
    work = Task.detached {
      defer { ledger.finish() }
      try await withThrowingTaskGroup(of: Void.self) { group in
        var running = 0
        for await _ in stream {
          if running == piecesAtOnce {
            try await group.next()
            running -= 1
          }
          guard let piece = ledger.begin() else { continue }
          running += 1
          group.addTask { try await Self.score(piece, scorer, ledger) }
        }
        while try await group.next() != nil {}
      }
    }
  }

  deinit { cancel() }

  private static func score(
    _ piece: ScoringPiece, _ scorer: Scorer, _ ledger: ScoringLedger
  ) async throws(RewardError) {
    let start = ContinuousClock.now
    do throws(RewardError) {
      let columns = try await scorer.columns(piece.inputs)
      let scored = ScoredPiece(
        key: piece.key, samples: piece.samples, columns: columns,
        seconds: start.duration(to: .now) / .seconds(1))
      ledger.end(piece, .success(scored))
    } catch {
      ledger.end(piece, .failure(error))
      throw error
    }
  }

  /// Queues a piece for scoring; blocks the calling thread while too many images wait for their
  /// scores. Scoring must not need that thread.
  ///
  /// - Throws: the error of a piece that has failed meanwhile.
  package func add(_ piece: ScoringPiece) throws(RewardError) {
    try ledger.enter(piece)
    tickets.yield()
  }

  /// Queues a piece of another process, for which `status` has shown room.
  func addMoved(_ piece: ScoringPiece) {
    ledger.enterWithoutWaiting(piece)
    tickets.yield()
  }

  /// Removes pieces that have not begun and may move, those first that would begin last.
  ///
  /// - Parameter count: how many at most.
  package func takeBack(_ count: Int) -> [ScoringPiece] { ledger.takeBack(count) }

  package var status: ScoringStatus { ledger.status }

  /// Waits until no piece is left or one has failed, and no longer than `limit`.
  func settle(within limit: Duration) async { await wait(limit) { ledger.isSettled } }

  /// Waits for every piece; none can be added any more.
  ///
  /// - Returns: the pieces scored here by their keys.
  /// - Throws: `RewardError`, the first of a piece.
  package func finish() async throws -> [ScoredPiece] {
    tickets.finish()
    try await work.value
    return ledger.scored
  }

  /// Cancels all work and waits until it has ended, a few seconds at most: reward programs, their
  /// files and networks on other threads are then gone before the process is.
  package func drain() async {
    cancel()
    await wait(.seconds(5)) { ledger.isOver }
  }

  /// Waits until a condition holds, the task is cancelled or `limit` has passed.
  private func wait(_ limit: Duration, until holds: () -> Bool) async {
    let end = ContinuousClock.now + limit
    while !holds(), ContinuousClock.now < end {
      do { try await Task.sleep(for: .milliseconds(5)) } catch { return }
    }
  }

  /// Cancels all work and drops its scores. `add` no longer waits.
  package func cancel() {
    tickets.finish()
    work.cancel()
    ledger.cancel()
  }
}
