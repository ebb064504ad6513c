package import DiffusionPipelines
package import ImageFiles
package import Rewards

/// An image to be scored, or why there is none.
package typealias ScoringInput = Result<RewardSample, NonFiniteImage>

/// Every reward's answer for a list of images.
package struct ImageScores: Sendable {
  /// Per image, one value per reward of the recipe; nil where it could not be computed.
  package var rewards: [[Double?]] = []
  /// Per image, the weighted sum; nil where a reward is missing.
  package var weighted: [Double?] = []
  /// Figures beside the totals, `REWARD.PART`, one value per image, in the rewards' order.
  package var parts: [RewardScores.Part] = []
  /// What could not be scored, and why.
  package var missing = MissingScores()
  /// Seconds that scoring took, summed over batches.
  package var seconds = 0.0

  /// Adds the scores of further images. A part that some answers lack has no value there.
  mutating func append(_ other: ImageScores) {
    let (before, after) = (weighted.count, other.weighted.count)
    for part in other.parts where !parts.contains(where: { $0.name == part.name }) {
      parts.append(.init(name: part.name, values: Array(repeating: nil, count: before)))
    }
    for index in parts.indices {
      parts[index].values += other.parts.first { $0.name == parts[index].name }?.values
        ?? Array(repeating: nil, count: after)
    }
    rewards += other.rewards
    weighted += other.weighted
    missing.add(other.missing)
    seconds += other.seconds
  }
}

/// The rewards of a recipe, asked together.
package struct Scorer: Sendable {
  /// In the recipe's order.
  package let rewards: [any Reward]
  /// One factor per reward.
  package let weights: [Double]

  package init(_ rewards: [any Reward], weights: [Double]) {
    precondition(rewards.count == weights.count, "one weight per reward")
    self.rewards = rewards
    self.weights = weights
  }

  /// Makes every scorer: loads weights and starts processes.
  ///
  /// - Throws: `RewardError` for a reward that does not exist or cannot be set up.
  package init(_ recipes: [RewardRecipe]) throws(RewardError) {
    var rewards: [any Reward] = []
    for recipe in recipes { rewards.append(try recipe.reward.makeReward()) }
    self.init(rewards, weights: recipes.map(\.weight))
  }

  /// Asks every reward about every image.
  package func score(_ samples: [RewardSample]) async throws(RewardError) -> ImageScores {
    try await score(samples.map(ScoringInput.success))
  }

  /// The same; what is no image has no score.
  package func score(_ inputs: [ScoringInput]) async throws(RewardError) -> ImageScores {
    let start = ContinuousClock.now
    var scores = combine(try await columns(inputs))
    scores.seconds = start.duration(to: .now) / .seconds(1)
    return scores
  }

  /// Every reward's own answer, all rewards asked at once. A value that is not finite is no score.
  ///
  /// - Throws: the first reward's error that comes; the others are cancelled.
  package func columns(_ samples: [RewardSample]) async throws(RewardError) -> [RewardScores] {
    let answers = await withTaskGroup(
      of: (Int, RewardAnswer).self, returning: [Int: RewardAnswer].self
    ) { group in
      for (index, reward) in rewards.enumerated() {
        group.addTask { (index, await reward.answer(samples)) }
      }
      var answers: [Int: RewardAnswer] = [:]
      for await (index, answer) in group {
        if case .failure = answer {
          group.cancelAll()
          return [index: answer]
        }
        answers[index] = answer
      }
      return answers
    }
    var columns: [RewardScores] = []
    for (_, answer) in answers.sorted(by: { $0.key < $1.key }) { columns.append(try answer.get()) }
    return columns
  }

  /// The same; what is no image is shown to no reward, and has no score of any.
  package func columns(_ inputs: [ScoringInput]) async throws(RewardError) -> [RewardScores] {
    let samples = inputs.compactMap(\.sample)
    guard samples.count < inputs.count else { return try await columns(samples) }
    let found =
      samples.isEmpty ? rewards.map { _ in RewardScores(total: []) } : try await columns(samples)
    return found.map { $0.spread(over: inputs) }
  }

  /// The answers of all rewards as one.
  package func combine(_ columns: [RewardScores]) -> ImageScores {
    var scores = ImageScores()
    for index in columns[0].total.indices {
      let values = columns.map { $0.total[index] }
      scores.rewards.append(values)
      scores.weighted.append(weightedSum(values))
    }
    for (reward, column) in zip(rewards, columns) {
      scores.missing.add(column, of: reward.name)
      scores.parts += column.parts
        .filter { $0.name != reward.name }
        .map { .init(name: "\(reward.name).\($0.name)", values: $0.values) }
    }
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

extension ScoringInput {
  /// The image to be scored; nil where there is none.
  fileprivate var sample: RewardSample? {
    guard case .success(let sample) = self else { return nil }
    return sample
  }
}

extension RewardScores {
  /// The scores of the images among `inputs`, in their places; the others have none.
  fileprivate func spread(over inputs: [ScoringInput]) -> RewardScores {
    var next = 0
    let places: [Int?] = inputs.map { input in
      guard input.sample != nil else { return nil }
      defer { next += 1 }
      return next
    }
    var scores = RewardScores(total: places.map { $0.flatMap { total[$0] } })
    scores.parts = parts.map { part in
      .init(name: part.name, values: places.map { $0.flatMap { part.values[$0] } })
    }
    for (index, place) in places.enumerated() {
      if let place {
        scores.reasons[index] = reasons[place]
      } else if case .failure(let failure) = inputs[index] {
        scores.reasons[index] = failure.description
      }
    }
    return scores
  }
}

private typealias RewardAnswer = Result<RewardScores, RewardError>

extension Reward {
  /// What `checked` returns or throws. A function of its own: written where it is needed, in a task
  /// that returns a pair, Swift 6.3's optimiser pairs the answers with the wrong rewards.
  fileprivate func answer(_ samples: [RewardSample]) async -> RewardAnswer {
    do throws(RewardError) {
      return .success(try await checked(samples))
    } catch {
      return .failure(error)
    }
  }

  /// Scores that are as many as the samples, and finite where they are there.
  fileprivate func checked(
    _ samples: [RewardSample]
  ) async throws(RewardError) -> RewardScores {
    var scores = try await score(samples)
    guard scores.total.count == samples.count else {
      throw .failed(
        reward: name, reason: "it gave \(scores.total.count) scores for \(samples.count) images")
    }
    for index in samples.indices where scores.total[index]?.isFinite == false {
      scores.total[index] = nil
      scores.reasons[index] = "not a finite number"
    }
    for part in scores.parts.indices {
      scores.parts[part].values = scores.parts[part].values.map { $0?.isFinite == true ? $0 : nil }
    }
    return scores
  }
}
