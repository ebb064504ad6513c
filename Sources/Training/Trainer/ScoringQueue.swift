internal import Dispatch
internal import ImageFiles
package import Rewards
internal import Synchronization

/// Scores batches of images on other threads while the caller makes the next ones.
///
/// What crosses is plain values. Results come back in the order of `add`, whatever finished first.
/// A bounded number of batches is scored at once, and images that wait for their scores take a
/// bounded amount of memory: beyond it, `add` waits. The first error ends all other work.
package final class ScoringQueue: Sendable {
  private typealias Batch = (index: Int, samples: [ScoringInput])

  /// What the side that makes images and the side that scores them both see.
  private final class Ledger: Sendable {
    struct State {
      /// Pixels of images that have no score yet.
      var bytes = 0
      var failure: RewardError?
      /// Batches that are not begun will not be, and their bytes stay.
      var isCancelled = false
    }

    let state = Mutex(State())
    /// Signalled whenever a batch is done.
    let changed = DispatchSemaphore(value: 0)

    func finished(_ samples: [ScoringInput], _ failure: RewardError? = nil) {
      state.withLock {
        $0.bytes -= samples.byteCount
        $0.failure = $0.failure ?? failure
      }
      changed.signal()
    }
  }

  private let byteLimit: Int
  private let ledger = Ledger()
  private let batches: AsyncStream<Batch>.Continuation
  private let count = Mutex(0)
  private let work: Task<[ImageScores], any Error>

  /// - Parameters:
  ///   - batchesAtOnce: batches that are scored at the same time at most.
  ///   - byteLimit: bytes of images that wait for their scores; a larger batch waits alone.
  package init(_ scorer: Scorer, batchesAtOnce: Int = 16, byteLimit: Int = 1 << 30) {
    self.byteLimit = byteLimit
    let stream: AsyncStream<Batch>
    (stream, batches) = AsyncStream.makeStream()
    let ledger = ledger
    work = Task.detached {
      try await withThrowingTaskGroup(of: (Int, ImageScores).self) { group in
        var scores: [Int: ImageScores] = [:]
        var begun = 0
        for await batch in stream {
          if begun - scores.count == batchesAtOnce, let (index, found) = try await group.next() {
            scores[index] = found
          }
          begun += 1
          group.addTask { (batch.index, try await Self.score(batch.samples, scorer, ledger)) }
        }
        while let (index, found) = try await group.next() { scores[index] = found }
        return scores.sorted { $0.key < $1.key }.map(\.value)
      }
    }
  }

  deinit { cancel() }

  private static func score(
    _ samples: [ScoringInput], _ scorer: Scorer, _ ledger: Ledger
  ) async throws(RewardError) -> ImageScores {
    do throws(RewardError) {
      let scores = try await scorer.score(samples)
      ledger.finished(samples)
      return scores
    } catch {
      ledger.finished(samples, error)
      throw error
    }
  }

  /// Begins to score a batch; waits while too many images wait for their scores.
  ///
  /// The waiting blocks the calling thread, which must not be one that scorers need.
  ///
  /// Throws the error of a batch that has failed meanwhile.
  package func add(_ samples: [RewardSample]) throws(RewardError) {
    try add(samples.map(ScoringInput.success))
  }

  /// The same; what is no image has no score.
  package func add(_ samples: [ScoringInput]) throws(RewardError) {
    while true {
      let (fits, failure) = ledger.state.withLock { state in
        let fits = state.isCancelled || state.bytes == 0 || state.bytes + samples.byteCount <= byteLimit
        if fits { state.bytes += samples.byteCount }
        return (fits, state.failure)
      }
      if let failure { throw failure }
      if fits { break }
      ledger.changed.wait()
    }
    let index = count.withLock { count in
      count += 1
      return count
    }
    batches.yield((index, samples))
  }

  /// Waits for every batch.
  ///
  /// Throws `RewardError`, the first scorer's.
  package func finish() async throws -> ImageScores {
    batches.finish()
    var scores = ImageScores()
    for part in try await work.value { scores.append(part) }
    return scores
  }

  /// Ends all work; scorers are told, and their scores are dropped. `add` waits no more.
  package func cancel() {
    batches.finish()
    work.cancel()
    ledger.state.withLock { $0.isCancelled = true }
    ledger.changed.signal()
  }
}

extension [ScoringInput] {
  /// Bytes of the images' pixels.
  fileprivate var byteCount: Int {
    reduce(0) { bytes, input in
      guard case .success(let sample) = input else { return bytes }
      return bytes + sample.image.pixels.count
    }
  }
}
