import JSON
import Runs

/// What one epoch measured; see `docs/metrics.md` for the names and their meaning.
struct EpochRecord {
  /// Epochs completed, so the first is 1.
  var epoch: Int
  var images: Int?
  var rewardMean: Double?
  var rewardDeviation: Double?
  /// Mean of each reward of the recipe, unweighted, in order.
  var rewards: [(key: String, value: Double)]
  /// Figures that scorers report beside their total, such as `shapes.strict`.
  var parts: [(key: String, value: Double)]
  /// Trained step -> mean reward of the images decided there.
  var rewardPerStep: [(key: String, value: Double)]
  var zeroVarianceShare: Double?
  var clipFraction: Double?
  var kl: Double?
  var gradientNorm: Double?
  var policyLoss: Double?
  var ratioDeviation: Double?
  /// Largest difference between rollout and training in the first update.
  var logProbabilityDeviation: Double?
  var updates: Int?

  init(_ line: LogLine) throws(ReportError) {
    epoch = try line.epoch()
    images = try line.count(.images)
    rewardMean = try line.number(.rewardMean)
    rewardDeviation = try line.number(.rewardStd)
    rewards = try line.numbers(prefixed: "reward_mean.")
    parts = try line.numbers(prefixed: "part_mean.")
    rewardPerStep = try line.numbers(.rewardMeanPerStep)
    zeroVarianceShare = try line.number(.zeroVarianceShare)
    clipFraction = try line.number(.clipFraction)
    kl = try line.number(.kl)
    gradientNorm = try line.number(.gradientNorm)
    policyLoss = try line.number(.policyLoss)
    ratioDeviation = try line.number(.ratioDeviation)
    logProbabilityDeviation = try line.numbers(.logProbabilityDeviationPerStep)
      .map(\.value).max()
    updates = try line.count(.updates)
  }
}

/// One evaluation on the held-out prompts.
struct EvaluationRecord {
  /// Mean of a score with its standard error.
  struct Mean {
    var mean: Double
    var standardError: Double?
    var count: Int
  }

  /// Epochs trained before it.
  var epoch: Int
  /// Name of what is measured.
  var reward: String
  var overall: Mean
  var tags: [String: Mean]
  /// The training reward on the same images.
  var trainingReward: Double?

  init(_ line: LogLine) throws(ReportError) {
    epoch = try line.epoch()
    guard let reward = line.value[.reward]?.string else { throw line.wrong(.reward, "a text") }
    self.reward = reward
    overall = try Mean(line)
    var tags: [String: Mean] = [:]
    switch line.value[.tags] {
    case nil, .null: break
    case .some(let value):
      guard let members = value.members else { throw line.wrong(.tags, "an object") }
      for member in members {
        tags[member.key] = try Mean(
          LogLine(path: line.path, number: line.number, value: member.value))
      }
    }
    self.tags = tags
    trainingReward = try line.number(.trainingRewardMean)
  }
}

extension EvaluationRecord.Mean {
  init(_ line: LogLine) throws(ReportError) {
    guard let count = try line.count(.count) else {
      throw line.wrong(.count, "a whole number of at least 0")
    }
    self.init(
      mean: try line.required(.mean), standardError: try line.number(.standardError),
      count: count)
  }

  init(_ score: Score) {
    self.init(mean: score.mean, standardError: score.standardError, count: score.count)
  }
}
