internal import Dispatch
internal import ImageFiles
package import Rewards
internal import Synchronization

/// Scores batches of images on other threads while the caller makes the next ones.
///
/// Plain values cross the threads. Results are in the order of `add`. The number of batches scored
/// at once is bounded, and so is the memory of images that wait for their scores: beyond it, `add`
/// waits. The first error cancels all other work.
package final class ScoringQueue: Sendable {
  private typealias Batch = (index: Int, samples: [ScoringInput])

  /// State shared by the thread that makes images and the tasks that score them.
  private final class Ledger: Sendable {
    struct State {
      /// Pixels of images that have no score yet.
      var bytes = 0
      var failure: RewardError?
      /// Batches in the stream are dropped, and their bytes stay counted.
      var isCancelled = false
    }

    let state = Mutex(State())
    /// Signaled whenever a batch is done.
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
  ///   - batchesAtOnce: most batches scored at the same time.
  ///   - byteLimit: most bytes of images that wait for their scores; a larger batch waits alone.
  package init(_ scorer: Scorer, batchesAtOnce: Int = 16, byteLimit: Int = 1 << 30) {
    self.byteLimit = byteLimit
    let stream: AsyncStream<Batch>
    (stream, batches) = AsyncStream.makeStream()
    let ledger = ledger
    work = Task.detached {
      try await withThrowingTaskGroup(of: (Int, ImageScores).self) { group in
        var scores: [Int: ImageScores] = [:]
        var started = 0
        for await batch in stream {
          if started - scores.count == batchesAtOnce, let (index, found) = try await group.next() {
            scores[index] = found
          }
          started += 1
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

  /// Queues a batch for scoring; blocks the calling thread while too many images wait for their
  /// scores. Scoring must not need that thread.
  ///
  /// - Throws: the error of a batch that has failed meanwhile.
  package func add(_ samples: [RewardSample]) throws(RewardError) {
    try add(samples.map(ScoringInput.success))
  }

  /// The same; an input without an image has no score.
  package func add(_ samples: [ScoringInput]) throws(RewardError) {
    while true {
      let (fits, failure) = ledger.state.withLock { state in
        let fits =
          state.isCancelled || state.bytes == 0 || state.bytes + samples.byteCount <= byteLimit
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
  /// - Throws: `RewardError`, the first of a batch.
  package func finish() async throws -> ImageScores {
    batches.finish()
    var scores = ImageScores()
    for part in try await work.value { scores.append(part) }
    return scores
  }

  /// Cancels all work and drops its scores. `add` no longer waits.
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
