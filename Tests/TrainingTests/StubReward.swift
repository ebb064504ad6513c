import ImageFiles
import Rewards
import Synchronization
import Training

/// A reward computed by a closure.
struct StubReward: Reward {
  var name = "stub"
  let body: @Sendable ([RewardSample]) async throws(RewardError) -> RewardScores

  func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    try await body(samples)
  }
}

/// Mean level of an image, 0...1.
func brightness(_ image: PixelBuffer) -> Double {
  Double(image.pixels.reduce(0) { $0 + Int($1) }) / Double(255 * image.pixels.count)
}

/// Scores by brightness; fails after a number of images.
struct FailingReward: Reward {
  enum Failure: Sendable {
    /// Every other image has no score.
    case noScores
    /// The batch fails as a whole.
    case error
  }

  let name = "stub"
  let failure: Failure
  /// Number of images that are scored before the failure.
  let healthy: Int
  private let seen = Counter()

  init(_ failure: Failure, after healthy: Int) {
    self.failure = failure
    self.healthy = healthy
  }

  func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    let before = seen.add(samples.count)
    var scores = RewardScores(total: samples.map { brightness($0.image) })
    guard before >= healthy else { return scores }
    if failure == .error { throw .failed(reward: name, reason: "no connection") }
    for index in samples.indices where index % 2 == 0 {
      scores.total[index] = nil
      scores.reasons[index] = "timed out"
    }
    return scores
  }
}

/// A counter shared by several tasks.
final class Counter: Sendable {
  private let value = Mutex(0)

  /// Adds `amount`.
  ///
  /// - Returns: the previous count.
  @discardableResult
  func add(_ amount: Int) -> Int {
    value.withLock { value in
      defer { value += amount }
      return value
    }
  }

  var count: Int { value.withLock { $0 } }
}
