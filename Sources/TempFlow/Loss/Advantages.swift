internal import Foundations

/// The rewards of one branch. A Flow-GRPO sample appears once per trained step.
public struct RewardRow: Hashable, Sendable {
  /// The prompt's number.
  public var prompt: Int
  /// The seed's number among the prompt's.
  public var seed: Int
  /// The trained step.
  public var step: Int
  /// The values, one per reward in the recipe's order; nil for a missing value.
  public var rewards: [Double?]

  /// The rewards of one branch that left (prompt, seed) at `step`.
  public init(prompt: Int, seed: Int, step: Int, rewards: [Double?]) {
    self.prompt = prompt
    self.seed = seed
    self.step = step
    self.rewards = rewards
  }

  /// The trunk that the branch has left.
  var trunk: TrunkID { TrunkID(prompt: prompt, seed: seed) }
}

/// Advantages of a batch, row by row.
public struct Advantages: Hashable, Sendable {
  /// One value per row, in the rows' order; 0 for a missing reward.
  public let values: [Double]
  /// For each row whether it has nothing to learn from: a reward of the weighted sum is missing, or
  /// all rewards that are normalized one by one.
  let isUnscored: [Bool]
  /// How many groups were compared.
  public let groupCount: Int
  /// How many of them are degenerate: all their advantages are 0. With a mean as the baseline these
  /// are the groups with equal rewards or fewer than two.
  public let degenerateGroupCount: Int

  /// The groups of each trained step; with `perReward`, one group per reward.
  public let perStep: [Int: StepGroups]

  /// The groups of one trained step.
  public struct StepGroups: Hashable, Sendable {
    /// How many were compared.
    public var count = 0
    /// How many of them are degenerate.
    public var degenerateCount = 0
    /// Groups with two or more present rewards, and the sum of their population standard
    /// deviations.
    var comparedCount = 0, deviation = 0.0

    /// Mean of the population standard deviations of groups with two or more rewards; nil without
    /// one.
    public var meanDeviation: Double? {
      comparedCount == 0 ? nil : deviation / Double(comparedCount)
    }
    /// The share of degenerate groups, in 0...1.
    public var degenerateShare: Double { Double(degenerateCount) / Double(count) }
  }

  /// The share of degenerate groups, in 0...1; nil without a group.
  public var degenerateShare: Double? {
    groupCount == 0 ? nil : Double(degenerateGroupCount) / Double(groupCount)
  }

  /// `A = (R - baseline) / (scale + 1e-4)`, within one step unless the scale is of the batch.
  ///
  /// A missing reward is left out of means and deviations. A is exactly 0 in a group of equal
  /// rewards whose mean is the baseline, in a group whose trunk has no reward, and where the scale
  /// is 0. With mean and deviation of the same n rows, |A| <= sqrt(n - 1).
  ///
  /// - Parameter trunkRewards: the rewards of the trunks' own images, for that baseline alone: an
  ///   entry for the trunk of every row.
  public init(
    _ rows: [RewardRow], _ settings: AdvantageSettings = .init(),
    trunkRewards: [TrunkID: [Double?]] = [:]
  ) {
    precondition(
      (rows.map(\.rewards) + trunkRewards.values).allSatisfy {
        $0.count == settings.weights.count
      },
      "every row needs one reward per weight")
    precondition(
      settings.baseline != .trunk || rows.allSatisfy { trunkRewards[$0.trunk] != nil },
      "every trunk needs its rewards")
    var groups: [Int: StepGroups] = [:]
    func normalize(_ reward: ([Double?]) -> Double?) -> [Double] {
      let column = RewardColumn(
        rows: rows, values: rows.map { reward($0.rewards) },
        trunkValues: trunkRewards.compactMapValues(reward))
      return column.advantages(settings.baseline, settings.scale, &groups)
    }
    var total: [Double]
    switch settings.combination {
    case .weightedSum:
      total = normalize { weightedSum($0, settings.weights) }
    case .perReward:
      total = [Double](repeating: 0, count: rows.count)
      for (reward, weight) in settings.weights.enumerated() where weight != 0 {
        for (index, value) in normalize({ $0[reward] }).enumerated() {
          total[index] += weight * value
        }
      }
    }
    if let clip = settings.clip { total = total.map { min(max($0, -clip), clip) } }
    values = total
    isUnscored = rows.map { row in
      switch settings.combination {
      case .weightedSum: weightedSum(row.rewards, settings.weights) == nil
      case .perReward: zip(row.rewards, settings.weights).allSatisfy { $0 == nil || $1 == 0 }
      }
    }
    perStep = groups
    groupCount = groups.values.reduce(0) { $0 + $1.count }
    degenerateGroupCount = groups.values.reduce(0) { $0 + $1.degenerateCount }
  }
}

/// nil if any reward with a weight is missing.
package func weightedSum(_ rewards: [Double?], _ weights: [Double]) -> Double? {
  var sum = 0.0
  for (reward, weight) in zip(rewards, weights) where weight != 0 {
    guard let reward else { return nil }
    sum += weight * reward
  }
  return sum
}
