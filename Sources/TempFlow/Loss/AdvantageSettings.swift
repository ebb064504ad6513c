/// What is subtracted from a reward.
public enum AdvantageBaseline: String, Hashable, Sendable, CaseIterable {
  /// The mean of the trunk's branches at the step: the effect of the initial noise cancels.
  case seed
  /// The mean of all branches of the prompt at the step.
  case prompt
  /// The reward of the trunk's own image: an advantage is what the stochastic step has gained. This
  /// is no mean of the branches, so the advantages of a group may all have one sign.
  case trunk
}

/// What divides the difference to the baseline: a population standard deviation of rewards.
public enum AdvantageScale: String, Hashable, Sendable, CaseIterable {
  /// That of the trunk's branches at the step. With few branches it has a large error, and it gives
  /// every step the same weight, whatever the effect of its noise.
  case seed
  /// That of all branches of the prompt at the step.
  case prompt
  /// That of all branches at the step.
  case step
  /// That of all branches of the batch, at every step.
  case batch
  /// The largest deviation of a group of the baseline in the batch, at every step; with the trunk's
  /// baseline, of the branches of one (trunk, step). LongCat-Video, arXiv 2510.22200.
  case maxGroup = "max_group"
}

/// How several rewards become one advantage.
public enum RewardCombination: String, Hashable, Sendable, CaseIterable {
  /// Normalize the weighted sum of the rewards. A row with a missing reward has no sum.
  case weightedSum = "sum"
  /// Normalize each reward in its group, then add with the weights: GDPO (arXiv 2601.05242)
  /// without its second normalization over the batch. A missing reward adds 0.
  case perReward = "gdpo"
}

/// How rewards become advantages.
public struct AdvantageSettings: Hashable, Sendable {
  /// What is subtracted.
  public var baseline: AdvantageBaseline
  /// What divides.
  public var scale: AdvantageScale
  /// How several rewards are combined.
  public var combination: RewardCombination
  /// One weight per reward.
  public var weights: [Double]
  /// Advantages are clipped to ±clip; nil does not clip.
  public var clip: Double?

  /// The defaults are one reward, compared within a seed, clipped to ±5.
  ///
  /// - Parameter scale: nil takes the baseline's default.
  public init(
    baseline: AdvantageBaseline = .seed, scale: AdvantageScale? = nil,
    combination: RewardCombination = .weightedSum, weights: [Double] = [1], clip: Double? = 5
  ) {
    self.baseline = baseline
    self.scale = scale ?? baseline.defaultScale
    self.combination = combination
    self.weights = weights
    self.clip = clip
  }
}

extension AdvantageBaseline {
  /// The deviation of the rewards whose mean is the baseline; of the batch for the trunk's reward.
  public var defaultScale: AdvantageScale {
    switch self {
    case .seed: .seed
    case .prompt: .prompt
    case .trunk: .batch
    }
  }
}
