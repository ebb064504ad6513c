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
}

/// Which rows are compared with each other, always within one step.
public enum AdvantageGroup: String, Hashable, Sendable, CaseIterable {
  /// The branches of one trunk: the effect of the initial noise cancels.
  case seed
  /// All branches of one prompt.
  case prompt
  /// Mean per prompt, standard deviation over the whole batch.
  case batch
}

/// How several rewards become one advantage.
public enum RewardCombination: String, Hashable, Sendable, CaseIterable {
  /// Normalize the weighted sum of the rewards. A row with a missing reward has no sum.
  case weightedSum
  /// Normalize each reward in its group, then add with the weights: GDPO (arXiv 2601.05242)
  /// without its second normalization over the batch. A missing reward adds 0.
  case perReward
}

/// How rewards become advantages.
public struct AdvantageSettings: Hashable, Sendable {
  /// Which rows are compared.
  public var group: AdvantageGroup
  /// How several rewards are combined.
  public var combination: RewardCombination
  /// One weight per reward.
  public var weights: [Double]
  /// Advantages are clipped to ±clip; nil does not clip.
  public var clip: Double?

  /// The defaults are one reward, compared within a seed, clipped to ±5.
  public init(
    group: AdvantageGroup = .seed, combination: RewardCombination = .weightedSum,
    weights: [Double] = [1], clip: Double? = 5
  ) {
    self.group = group
    self.combination = combination
    self.weights = weights
    self.clip = clip
  }
}

/// Advantages of a batch, row by row.
public struct Advantages: Hashable, Sendable {
  /// One value per row, in the rows' order; 0 for a missing reward.
  public let values: [Double]
  /// How many groups were normalized.
  public let groupCount: Int
  /// How many of them are degenerate: all rewards equal, or fewer than two.
  public let degenerateGroupCount: Int

  /// The groups of each trained step; with `perReward`, one group per reward.
  public let perStep: [Int: StepGroups]

  /// The groups of one trained step.
  public struct StepGroups: Hashable, Sendable {
    /// How many were normalized.
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

  /// `A = (R - mean) / (std + 1e-4)` with the population standard deviation, per group and step.
  ///
  /// A group's advantage is bounded: |A| <= sqrt(n - 1) for n rows. Equal rewards give exactly 0.
  public init(_ rows: [RewardRow], _ settings: AdvantageSettings = .init()) {
    precondition(
      rows.allSatisfy { $0.rewards.count == settings.weights.count },
      "every row needs one reward per weight")
    var groups: [Int: StepGroups] = [:]
    func normalize(_ column: [Double?]) -> [Double] {
      normalized(column, rows: rows, by: settings.group, &groups)
    }
    var total: [Double]
    switch settings.combination {
    case .weightedSum:
      total = normalize(rows.map { weightedSum($0.rewards, settings.weights) })
    case .perReward:
      total = [Double](repeating: 0, count: rows.count)
      for (reward, weight) in settings.weights.enumerated() {
        for (index, value) in normalize(rows.map { $0.rewards[reward] }).enumerated() {
          total[index] += weight * value
        }
      }
    }
    if let clip = settings.clip { total = total.map { min(max($0, -clip), clip) } }
    values = total
    perStep = groups
    groupCount = groups.values.reduce(0) { $0 + $1.count }
    degenerateGroupCount = groups.values.reduce(0) { $0 + $1.degenerateCount }
  }
}

/// nil if any reward is missing.
private func weightedSum(_ rewards: [Double?], _ weights: [Double]) -> Double? {
  var sum = 0.0
  for (reward, weight) in zip(rewards, weights) {
    guard let reward else { return nil }
    sum += weight * reward
  }
  return sum
}

private struct GroupKey: Hashable {
  var step: Int
  var prompt: Int
  var seed: Int
}

/// The advantages of one reward; missing values are left out of mean and deviation and give 0. Adds
/// its groups to those of each step.
private func normalized(
  _ column: [Double?], rows: [RewardRow], by group: AdvantageGroup,
  _ groups: inout [Int: Advantages.StepGroups]
) -> [Double] {
  var members: [GroupKey: [Int]] = [:]
  var order: [GroupKey] = []
  for (index, row) in rows.enumerated() {
    let key = GroupKey(step: row.step, prompt: row.prompt, seed: group == .seed ? row.seed : 0)
    if members[key] == nil { order.append(key) }
    members[key, default: []].append(index)
  }
  let batchDeviation = group == .batch ? deviationPerStep(column, rows) : [:]
  var result = [Double](repeating: 0, count: rows.count)
  for key in order {
    let present = members[key, default: []].compactMap { index in
      column[index].map { (index: index, value: $0) }
    }
    let statistics = Statistics(present.map(\.value))
    let spread = statistics.deviation ?? 0
    groups[key.step, default: .init()].count += 1
    if present.count > 1 {
      groups[key.step]?.comparedCount += 1
      groups[key.step]?.deviation += spread
    }
    guard spread > 0, let mean = statistics.mean else {
      groups[key.step]?.degenerateCount += 1
      continue
    }
    let deviation = batchDeviation[key.step] ?? spread
    for (index, value) in present {
      result[index] = (value - mean) / (deviation + 1e-4)
    }
  }
  return result
}

/// The population standard deviation of all present rewards at each step.
private func deviationPerStep(_ column: [Double?], _ rows: [RewardRow]) -> [Int: Double] {
  var values: [Int: [Double]] = [:]
  for (row, value) in zip(rows, column) {
    if let value { values[row.step, default: []].append(value) }
  }
  return values.compactMapValues { Statistics($0).deviation }
}
