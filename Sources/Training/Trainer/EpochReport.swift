internal import Foundations
internal import Rewards
internal import Runs
internal import TempFlow
internal import TorchNN

/// What one epoch measured: one line of the metrics.
struct EpochReport {
  /// Of the sampled images.
  let images: ImageScores
  /// Of the finished trunks' own images.
  let trunks: ImageScores
  /// Rows of the network in the rollout, guidance included.
  let nfe: Int
  /// Mean reward of the images decided at each trained step, steps ascending.
  let rewardPerStep: [(step: Int, mean: Double)]
  let advantages: Advantages
  /// In order.
  let updates: [UpdateReport]

  /// - Parameters:
  ///   - rewards: the rows behind `advantages`.
  ///   - weights: one per reward.
  init(
    _ rollout: ScoredRollout, _ rewards: [RewardRow], weights: [Double], _ advantages: Advantages,
    _ updates: [UpdateReport]
  ) {
    images = rollout.sampled
    trunks = rollout.trunks
    nfe = rollout.nfe
    rewardPerStep = Self.meanPerStep(rewards, weights)
    self.advantages = advantages
    self.updates = updates
  }

  /// Mean of the weighted reward over the complete rows of each step.
  private static func meanPerStep(
    _ rows: [RewardRow], _ weights: [Double]
  ) -> [(step: Int, mean: Double)] {
    var values: [Int: [Double]] = [:]
    for row in rows {
      guard let sum = weightedSum(row.rewards, weights) else { continue }
      values[row.step, default: []].append(sum)
    }
    return values.sorted { $0.key < $1.key }.map { step, values in
      (step, values.reduce(0, +) / Double(values.count))
    }
  }

  /// Mean of the weighted reward of the sampled images; nil when none could be scored.
  var rewardMean: Double? { Statistics(images.weighted).mean }

  /// Images decoded and scored, finished trunks among them.
  var imageCount: Int { images.weighted.count + trunks.weighted.count }

  /// Of these, the images without a weighted reward.
  var missingCount: Int { (images.weighted + trunks.weighted).count { $0 == nil } }

  /// Why no image has an advantage, in words; nil when one has.
  var degenerateCause: String? {
    guard advantages.degenerateShare == 1 else { return nil }
    let hasGroups = trunks.weighted.isEmpty
    guard missingCount > 0 else {
      if hasGroups { return "every group's images have the same reward" }
      let differs = Statistics(images.weighted + trunks.weighted).deviation != 0
      return differs && Statistics(images.weighted).deviation == 0
        ? "all images have the same reward, so advantages have no scale"
        : "every image has its trunk's reward"
    }
    return "\(missingCount) of \(imageCount) images have no score, and no "
      + (hasGroups ? "group has two different ones" : "image has another one than its trunk")
  }
}

extension EpochReport {
  /// The members of the line after `kind` and `epoch`.
  func members(_ recipe: TrainingRecipe, updatesSoFar: Int) -> [JSONValue.Member] {
    rewardMembers(recipe) + [
      .init(.advantageAbsMean, JSONValue(Statistics(advantages.values.map { abs($0) }).mean)),
      .init(.fracRewardZeroStd, JSONValue(advantages.degenerateShare)),
      .init(.updates, .int(updatesSoFar)),
    ] + updateMembers(recipe) + stepMembers
  }

  private func rewardMembers(_ recipe: TrainingRecipe) -> [JSONValue.Member] {
    let whole = Statistics(images.weighted)
    var members: [JSONValue.Member] = [
      .init(.images, .int(imageCount)),
      .init(.nfe, .int(nfe)),
      .init(.rewardMean, JSONValue(whole.mean)),
      .init(.rewardStd, JSONValue(whole.deviation)),
      .init(.trunkRewardMean, JSONValue(Statistics(trunks.weighted).mean)),
      .init(.rewardMissing, .int(missingCount)),
      .init(.rewardMissingReasons, JSONValue(images.missing)),
    ]
    for (index, reward) in recipe.rewards.enumerated() {
      let statistics = Statistics(images.rewards.map { $0[index] })
      let (mean, deviation) = (MetricName.rewardMean.rawValue, MetricName.rewardStd.rawValue)
      members.append(.init("\(mean).\(reward.reward.label)", JSONValue(statistics.mean)))
      members.append(.init("\(deviation).\(reward.reward.label)", JSONValue(statistics.deviation)))
    }
    for part in images.parts {
      members.append(.init("part_mean.\(part.name)", JSONValue(Statistics(part.values).mean)))
    }
    members.append(
      .init(
        .rewardMeanPerStep,
        .object(rewardPerStep.map { .init(String($0.step), .double($0.mean)) })))
    return members
  }

  private var statistics: [PolicyStatistics] { updates.map(\.statistics) }

  /// The updates with an evaluated sample: the others have no ratio and no KL divergence.
  private var evaluated: [PolicyStatistics] {
    statistics.filter { $0.skippedSampleCount < $0.sampleCount }
  }

  /// The updates whose loss has probability ratios, and those of them with an evaluated sample.
  private var withRatios: [PolicyStatistics] { statistics.filter(\.hasRatios) }
  private var evaluatedRatios: [PolicyStatistics] { evaluated.filter(\.hasRatios) }

  private func updateMembers(_ recipe: TrainingRecipe) -> [JSONValue.Member] {
    let losses = statistics.map(\.policyLoss)
    let norms = updates.map(\.gradientNorm)
    return [
      .init(.trainingSamples, .int(statistics.reduce(0) { $0 + $1.sampleCount })),
      .init(.trainingSamplesSkipped, .int(statistics.reduce(0) { $0 + $1.skippedSampleCount })),
      .init(.learningRate, JSONValue(updates.last?.learningRate)),
      .init(.policyLoss, JSONValue(Statistics(losses).mean)),
      .init(.policyLossPerUpdate, list(losses)),
      .init(.kl, JSONValue(Statistics(evaluated.map(\.klDivergence)).mean)),
      .init(.clipFraction, JSONValue(Statistics(evaluatedRatios.map(\.clipFraction)).mean)),
      .init(.clipFractionPerUpdate, list(withRatios.map(\.clipFraction))),
      .init(.gradNorm, JSONValue(Statistics(norms).mean)),
      .init(.gradNormPerUpdate, list(norms)),
      .init(.lossScale, JSONValue(updates.last?.lossScale)),
      .init(.approximateKL, JSONValue(Statistics(evaluated.compactMap(\.approximateKL)).mean)),
      .init(
        .oldVelocityDistance,
        JSONValue(Statistics(evaluated.compactMap(\.oldVelocityDistance)).mean)),
    ]
  }

  private var stepMembers: [JSONValue.Member] {
    let steps = statistics.reduce(into: [:]) { $0.merge($1.perStep) { $0 + $1 } }
    let total = StepStatistics.total(steps).squaredGradient
    let ratios = withRatios.isEmpty ? [:] : steps
    return [
      .init(.klPerStep, each(steps, \.klDivergence)),
      .init(.clipFractionPositivePerStep, each(ratios, \.clipFractionPositive)),
      .init(.clipFractionNegativePerStep, each(ratios, \.clipFractionNegative)),
      .init(.logRatioMeanPerStep, each(ratios, \.meanLogRatio)),
      .init(.gradientSharePerStep, each(steps) { total > 0 ? $0.squaredGradient / total : nil }),
      .init(.rewardStdInGroupsPerStep, each(advantages.perStep) { $0.meanDeviation }),
      .init(.fracRewardZeroStdPerStep, each(advantages.perStep) { $0.degenerateShare }),
      .init(.ratioMaxDeviation, JSONValue(evaluatedRatios.map(\.maximumRatioDeviation).max())),
      .init(.ratioMaxDeviationPerStep, largest(statistics.map(\.ratioDeviation))),
      .init(
        .logProbDeviationPerStep, largest(statistics.prefix(1).map(\.logProbabilityDeviation))),
    ]
  }

  private func list(_ values: [Double]) -> JSONValue { .array(values.map(JSONValue.double)) }

  /// A figure of each step, steps ascending; null where there is none.
  private func each<Figures>(
    _ steps: [Int: Figures], _ figure: (Figures) -> Double?
  ) -> JSONValue {
    .object(
      steps.sorted { $0.key < $1.key }.map { .init(String($0.key), JSONValue(figure($0.value))) })
  }

  /// The largest value of each step, steps ascending.
  private func largest(_ tables: [[Int: Double]]) -> JSONValue {
    each(tables.reduce(into: [:]) { $0.merge($1, uniquingKeysWith: max) }) { $0 }
  }
}

extension JSONValue {
  /// Reward -> reason -> images, both sorted.
  init(_ missing: MissingScores) {
    self = .object(
      missing.sorted.map { reward, reasons in
        .init(reward, .object(reasons.map { .init($0.text, .int($0.count)) }))
      })
  }
}
