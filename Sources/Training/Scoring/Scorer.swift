package import DiffusionModels
internal import ImageFiles
package import Rewards
internal import TempFlow

/// An image to score, or the reason why there is none.
package typealias ScoringInput = Result<RewardSample, NonFiniteImage>

/// The scores of a list of images by every reward.
package struct ImageScores: Sendable {
  /// Per image, one value per reward of the recipe; nil where a score is missing.
  package var rewards: [[Double?]] = []
  /// Per image, the weighted sum; nil where a reward is missing.
  package var weighted: [Double?] = []
  /// Parts of the rewards, named `REWARD.PART`, one value per image, in the rewards' order.
  package var parts: [RewardScores.Part] = []
  /// The missing scores, with their reasons.
  package var missing = MissingScores()
  /// Seconds that scoring took, summed over pieces.
  package var seconds = 0.0

  /// The scores with image `order[i]` in place i.
  func reordered(_ order: [Int]) -> ImageScores {
    var scores = self
    scores.rewards = order.map { rewards[$0] }
    scores.weighted = order.map { weighted[$0] }
    scores.parts = parts.map { part in
      .init(name: part.name, values: order.map { part.values[$0] })
    }
    return scores
  }
}

/// The rewards of a recipe, which score images concurrently.
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

  /// Sets up every reward: loads weights and starts processes.
  ///
  /// - Parameter place: of this process among those of the run.
  /// - Throws: `RewardError` for a reward that does not exist or cannot be set up.
  package init(
    _ recipes: [RewardRecipe], at place: RewardPlace = .alone
  ) throws(RewardError) {
    var rewards: [any Reward] = []
    for recipe in recipes { rewards.append(try recipe.reward.makeReward(at: place)) }
    self.init(rewards, weights: recipes.map(\.weight))
  }

  /// Scores every image by every reward.
  ///
  /// - Throws: as `columns`.
  package func score(_ samples: [RewardSample]) async throws(RewardError) -> ImageScores {
    try await score(samples.map(ScoringInput.success))
  }

  /// The same; an input without an image has no score.
  package func score(_ inputs: [ScoringInput]) async throws(RewardError) -> ImageScores {
    let start = ContinuousClock.now
    var scores = combine(try await columns(inputs))
    scores.seconds = start.duration(to: .now) / .seconds(1)
    return scores
  }

  /// The scores of each reward; all rewards run concurrently. A value that is not finite is no
  /// score.
  ///
  /// - Throws: the first error of a reward; the other rewards are canceled.
  package func columns(_ samples: [RewardSample]) async throws(RewardError) -> [RewardScores] {
    let results = await withTaskGroup(
      of: (Int, RewardResult).self, returning: [Int: RewardResult].self
    ) { group in
      for (index, reward) in rewards.enumerated() {
        group.addTask { (index, await reward.result(samples)) }
      }
      var results: [Int: RewardResult] = [:]
      for await (index, result) in group {
        if case .failure = result {
          group.cancelAll()
          return [index: result]
        }
        results[index] = result
      }
      return results
    }
    var columns: [RewardScores] = []
    for (_, result) in results.sorted(by: { $0.key < $1.key }) { columns.append(try result.get()) }
    return columns
  }

  /// The same; an input without an image is not passed to the rewards, and has no score.
  package func columns(_ inputs: [ScoringInput]) async throws(RewardError) -> [RewardScores] {
    let samples = inputs.compactMap(\.sample)
    guard samples.count < inputs.count else { return try await columns(samples) }
    let found =
      samples.isEmpty ? rewards.map { _ in RewardScores(total: []) } : try await columns(samples)
    return found.map { $0.spread(over: inputs) }
  }

  /// The scores of all rewards, joined.
  package func combine(_ columns: [RewardScores]) -> ImageScores {
    var scores = ImageScores()
    for index in columns[0].total.indices {
      let values = columns.map { $0.total[index] }
      scores.rewards.append(values)
      scores.weighted.append(weightedSum(values, weights))
    }
    scores.missing = MissingScores(of: rewards, in: columns)
    for (reward, column) in zip(rewards, columns) {
      scores.parts += column.parts
        .filter { $0.name != reward.name || $0.values != column.total }
        .map { .init(name: "\(reward.name).\($0.name)", values: $0.values) }
    }
    return scores
  }

  /// The scores of each reward for the images of all pieces, in the pieces' order.
  func columns(_ pieces: [ScoredPiece]) -> [RewardScores] {
    rewards.indices.map { reward in RewardScores(joining: pieces.map { $0.columns[reward] }) }
  }

  /// The scores of all rewards for the images of all pieces, joined.
  package func combine(_ pieces: [ScoredPiece]) -> ImageScores {
    var scores = combine(columns(pieces))
    scores.seconds = pieces.reduce(0) { $0 + $1.seconds }
    return scores
  }
}

extension Scorer {
  /// Most pieces that a process scores at the same time.
  package static let mostPiecesAtOnce = 16

  /// Pieces to score at the same time where others should stay free to move to another process: as
  /// many as keep every reward at work, and one more.
  ///
  /// - Parameters:
  ///   - images: of a piece.
  ///   - cores: processor cores for this process.
  package func piecesAtOnce(of images: Int, cores: Int) -> Int {
    let pieces = rewards.map { reward in
      reward.imagesAtOnce.map { ($0 + images - 1) / images } ?? cores
    }
    return min((pieces.max() ?? 1) + 1, Self.mostPiecesAtOnce)
  }
}

extension ScoringInput {
  /// The image to score; nil where there is none.
  var sample: RewardSample? {
    guard case .success(let sample) = self else { return nil }
    return sample
  }
}

extension RewardScores {
  /// The scores of the images among `inputs`, in their places; the other inputs have none.
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

private typealias RewardResult = Result<RewardScores, RewardError>

extension Reward {
  /// What `checked` returns or throws. A function, because Swift 6.3's optimizer pairs results with
  /// the wrong rewards when a task that returns a pair contains this code.
  fileprivate func result(_ samples: [RewardSample]) async -> RewardResult {
    do throws(RewardError) {
      return .success(try await checked(samples))
    } catch {
      return .failure(error)
    }
  }

  /// One score of at most 1e100 in magnitude, or none, per sample.
  ///
  /// - Throws: the reward's error, or `.failed` for another number of scores.
  fileprivate func checked(
    _ samples: [RewardSample]
  ) async throws(RewardError) -> RewardScores {
    var scores = try await score(samples)
    guard scores.total.count == samples.count else {
      throw .failed(
        reward: name, reason: "it returned \(scores.total.count) scores for \(samples.count) images"
      )
    }
    for index in samples.indices {
      guard let score = scores.total[index], !isUsable(score) else { continue }
      scores.total[index] = nil
      scores.reasons[index] = score.isFinite ? "beyond ±1e100" : "not a finite number"
    }
    for part in scores.parts.indices {
      scores.parts[part].values = scores.parts[part].values.map { value in
        value.flatMap { isUsable($0) ? $0 : nil }
      }
    }
    return scores
  }

  /// Whether means and deviations of such values are finite.
  private func isUsable(_ value: Double) -> Bool { value.magnitude <= 1e100 }
}
