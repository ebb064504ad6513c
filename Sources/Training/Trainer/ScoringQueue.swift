package import ImageFiles
package import Rewards

/// Every reward's answer for a list of images.
package struct ImageScores: Sendable {
  /// Per image, one value per reward of the recipe; nil where it could not be computed.
  package var rewards: [[Double?]] = []
  /// Per image, the weighted sum; nil where a reward is missing.
  package var weighted: [Double?] = []
  /// Figures beside the totals, `REWARD.PART`, one value per image, in the rewards' order.
  package var parts: [RewardScores.Part] = []
  /// Processor time of the scorers.
  package var seconds = 0.0

  /// Adds the scores of further images.
  mutating func append(_ other: ImageScores) {
    if rewards.isEmpty {
      parts = other.parts
    } else {
      precondition(parts.map(\.name) == other.parts.map(\.name), "scorers report the same parts")
      for index in parts.indices { parts[index].values += other.parts[index].values }
    }
    rewards += other.rewards
    weighted += other.weighted
    seconds += other.seconds
  }
}

/// The rewards of a recipe, asked together.
package struct Scorer: Sendable {
  /// In the recipe's order.
  package let rewards: [any Reward]
  /// One factor per reward.
  package let weights: [Double]

  /// Makes every scorer: loads weights and starts processes.
  ///
  /// - Throws: `RewardError` for a reward that does not exist or cannot be set up.
  package init(_ recipes: [RewardRecipe]) throws(RewardError) {
    var rewards: [any Reward] = []
    for recipe in recipes {
      rewards.append(try RewardRegistry.reward(recipe.settings))
    }
    self.rewards = rewards
    weights = recipes.map(\.weight)
  }

  /// Asks every reward about every image.
  package func score(_ samples: [RewardSample]) async throws(RewardError) -> ImageScores {
    let start = ContinuousClock.now
    var columns: [RewardScores] = []
    for reward in rewards { columns.append(try await reward.score(samples)) }
    var scores = ImageScores()
    for index in samples.indices {
      let values = columns.map { $0.total[index] }
      scores.rewards.append(values)
      scores.weighted.append(weightedSum(values))
    }
    for (reward, column) in zip(rewards, columns) {
      scores.parts += column.parts
        .filter { $0.name != reward.name }
        .map { .init(name: "\(reward.name).\($0.name)", values: $0.values) }
    }
    scores.seconds = start.duration(to: .now) / .seconds(1)
    return scores
  }

  private func weightedSum(_ values: [Double?]) -> Double? {
    var sum = 0.0
    for (value, weight) in zip(values, weights) {
      guard let value else { return nil }
      sum += weight * value
    }
    return sum
  }
}

/// Scores batches of images on other threads while the caller makes the next ones.
///
/// What crosses is plain values. Results come back in the order of `add`, whatever finished first.
struct ScoringQueue {
  private let scorer: Scorer
  private var tasks: [Task<ImageScores, any Error>] = []

  init(_ scorer: Scorer) { self.scorer = scorer }

  /// Begins to score a batch.
  mutating func add(_ samples: [RewardSample]) {
    let scorer = scorer
    tasks.append(Task.detached { try await scorer.score(samples) })
  }

  /// Waits for every batch.
  ///
  /// - Throws: the first scorer's error.
  func finish() async throws -> ImageScores {
    var scores = ImageScores()
    for task in tasks { scores.append(try await task.value) }
    return scores
  }
}
