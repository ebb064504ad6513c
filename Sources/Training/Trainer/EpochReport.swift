internal import JSON
internal import Rewards
internal import Runs
internal import TempFlow
internal import TorchNN

/// What one epoch measured, gathered as it goes and written as one line of the metrics.
struct EpochReport {
  var images: ImageScores
  /// Mean reward of the images decided at each trained step.
  var rewardPerStep: [(step: Int, mean: Double)] = []
  var advantages: Advantages
  var nfe = 0
  /// One entry per update, in order.
  var updates: [PolicyStatistics] = []
  /// Joint norm before clipping, one per update.
  var gradientNorms: [Double] = []

  /// What gradients are multiplied by after the last update; nil where the network is not float16.
  var lossScale: Double?

  /// Mean of the weighted reward; nil when no image could be scored.
  var rewardMean: Double? { Moments(images.weighted)?.mean }

  /// The updates for which the network was evaluated: the others have no ratio and no distance.
  private var evaluated: [PolicyStatistics] {
    updates.filter { $0.skippedSampleCount < $0.sampleCount }
  }

  /// The members of the line after `kind` and `epoch`.
  func members(
    _ recipe: TrainingRecipe, updatesSoFar: Int
  ) -> [JSONValue.Member] {
    let steps = updates.reduce(into: [:]) { $0.merge($1.perStep) { $0 + $1 } }
    let total = StepStatistics.total(steps).squaredGradient
    return rewardMembers(recipe) + [
      .init(.advantageAbsMean, number(mean(advantages.values.map { abs($0) }))),
      .init(.fracRewardZeroStd, number(advantages.degenerateShare)),
      .init(.updates, .int(updatesSoFar)),
      .init(.trainingSamples, .int(updates.reduce(0) { $0 + $1.sampleCount })),
      .init(.trainingSamplesSkipped, .int(updates.reduce(0) { $0 + $1.skippedSampleCount })),
      .init(.learningRate, .double(recipe.optimizer.settings.learningRate)),
      .init(.policyLoss, number(mean(updates.map(\.policyLoss)))),
      .init(.policyLossPerUpdate, list(updates.map(\.policyLoss))),
      .init(.kl, number(mean(evaluated.map(\.klDivergence)))),
      .init(.clipFraction, number(mean(evaluated.map(\.clipFraction)))),
      .init(.clipFractionPerUpdate, list(updates.map(\.clipFraction))),
      .init(.gradNorm, number(mean(gradientNorms))),
      .init(.gradNormPerUpdate, list(gradientNorms)),
      .init(.lossScale, number(lossScale)),
      .init(.approximateKL, number(mean(evaluated.compactMap(\.approximateKL)))),
      .init(.klPerStep, each(steps, \.klDivergence)),
      .init(.clipFractionPositivePerStep, each(steps, \.clipFractionPositive)),
      .init(.clipFractionNegativePerStep, each(steps, \.clipFractionNegative)),
      .init(.logRatioMeanPerStep, each(steps, \.meanLogRatio)),
      .init(.gradientSharePerStep, each(steps) { total > 0 ? $0.squaredGradient / total : nil }),
      .init(.rewardStdInGroupsPerStep, each(advantages.perStep) { $0.meanDeviation }),
      .init(.fracRewardZeroStdPerStep, each(advantages.perStep) { $0.degenerateShare }),
      .init(.ratioMaxDeviation, number(evaluated.map(\.maximumRatioDeviation).max())),
      .init(.ratioMaxDeviationPerStep, perStep(updates.map(\.ratioDeviation))),
      .init(
        .logProbDeviationPerStep, perStep(updates.prefix(1).map(\.logProbabilityDeviation))),
    ]
  }

  private func rewardMembers(_ recipe: TrainingRecipe) -> [JSONValue.Member] {
    let whole = Moments(images.weighted)
    var members: [JSONValue.Member] = [
      .init(.images, .int(images.rewards.count)),
      .init(.nfe, .int(nfe)),
      .init(.rewardMean, number(whole?.mean)),
      .init(.rewardStd, number(whole?.deviation)),
      .init(.rewardMissing, .int(images.weighted.count { $0 == nil })),
      .init(.rewardMissingReasons, JSONValue(images.missing)),
    ]
    for (index, reward) in recipe.rewards.enumerated() {
      let moments = Moments(images.rewards.map { $0[index] })
      let (mean, deviation) = (MetricName.rewardMean.rawValue, MetricName.rewardStd.rawValue)
      members.append(.init("\(mean).\(reward.reward.label)", number(moments?.mean)))
      members.append(.init("\(deviation).\(reward.reward.label)", number(moments?.deviation)))
    }
    for part in images.parts {
      members.append(.init("part_mean.\(part.name)", number(Moments(part.values)?.mean)))
    }
    members.append(
      .init(
        .rewardMeanPerStep,
        .object(rewardPerStep.map { .init(String($0.step), .double($0.mean)) })))
    return members
  }

  private func list(_ values: [Double]) -> JSONValue { .array(values.map(JSONValue.double)) }

  private func number(_ value: Double?) -> JSONValue { value.map(JSONValue.double) ?? .null }

  /// A figure of each step, steps ascending; null where there is none.
  private func each<Figures>(
    _ steps: [Int: Figures], _ figure: (Figures) -> Double?
  ) -> JSONValue {
    .object(
      steps.sorted { $0.key < $1.key }.map { .init(String($0.key), number(figure($0.value))) })
  }

  /// The largest value of each step, steps ascending.
  private func perStep(_ tables: [[Int: Double]]) -> JSONValue {
    var largest: [Int: Double] = [:]
    for (step, value) in tables.flatMap({ $0 }) {
      largest[step] = max(largest[step] ?? 0, value)
    }
    return .object(
      largest.sorted { $0.key < $1.key }.map { .init(String($0.key), .double($0.value)) })
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

/// Mean and population standard deviation of the values that are there.
struct Moments {
  let mean: Double
  let deviation: Double

  /// nil when there is no value.
  init?(_ values: [Double?]) {
    let present = values.compactMap { $0 }
    guard !present.isEmpty else { return nil }
    let count = Double(present.count)
    let mean = present.reduce(0, +) / count
    self.mean = mean
    deviation = (present.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count).squareRoot()
  }
}

/// nil without a value.
private func mean(_ values: [Double]) -> Double? {
  values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
}
