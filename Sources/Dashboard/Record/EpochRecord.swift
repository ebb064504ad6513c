import Foundations
import Runs

/// What one epoch measured; `docs/metrics.md` describes the names.
struct EpochRecord {
  /// Epochs completed, so the first is 1.
  var epoch: Int
  var images: Int?
  var rewardMean: Double?
  var rewardDeviation: Double?
  /// Images without a reward.
  var missing: Int?
  /// Scores that are missing, by reward and reason: `http: timed out`.
  var missingReasons: [(key: String, value: Int)]
  /// Mean of each reward of the recipe, unweighted, in order.
  var rewards: [(key: String, value: Double)]
  /// Figures that scorers report beside their total, such as `shapes.strict`.
  var parts: [(key: String, value: Double)]
  /// Trained step -> mean reward of the images that branched there.
  var rewardPerStep: [(key: String, value: Double)]
  var fracRewardZeroStd: Double?
  var clipFraction: Double?
  var kl: Double?
  var gradNorm: Double?
  var policyLoss: Double?
  var ratioMaxDeviation: Double?
  /// Largest difference between rollout and training in the first update.
  var logProbabilityDeviation: Double?
  var updates: Int?

  init(_ line: LogLine) throws(ReportError) {
    epoch = try line.epoch()
    images = try line.count(.images)
    rewardMean = try line.number(.rewardMean)
    rewardDeviation = try line.number(.rewardStd)
    missing = try line.count(.rewardMissing)
    missingReasons = try EpochRecord.reasons(line)
    rewards = try line.numbers(prefixed: "reward_mean.")
    parts = try line.numbers(prefixed: "part_mean.")
    rewardPerStep = try line.numbers(.rewardMeanPerStep)
    fracRewardZeroStd = try line.number(.fracRewardZeroStd)
    clipFraction = try line.number(.clipFraction)
    kl = try line.number(.kl)
    gradNorm = try line.number(.gradNorm)
    policyLoss = try line.number(.policyLoss)
    ratioMaxDeviation = try line.number(.ratioMaxDeviation)
    logProbabilityDeviation = try line.numbers(.logProbDeviationPerStep)
      .map(\.value).max()
    updates = try line.count(.updates)
  }

  private static func reasons(
    _ line: LogLine
  ) throws(ReportError) -> [(key: String, value: Int)] {
    var reasons: [(key: String, value: Int)] = []
    for reward in line.value[.rewardMissingReasons]?.members ?? [] {
      for reason in reward.value.members ?? [] {
        guard let count = reason.value.int else {
          throw line.wrong(.rewardMissingReasons, "an object of objects of counts")
        }
        reasons.append(("\(reward.key): \(reason.key)", count))
      }
    }
    return reasons
  }
}

/// One evaluation on the held-out prompts.
struct EvaluationRecord {
  /// Epochs trained before it.
  var epoch: Int
  /// Name of the measured reward.
  var reward: String
  var overall: Score
  var tags: [String: Score]
  /// The training reward on the same images.
  var trainingReward: Double?
  /// Held-out rewards, in the recipe's order.
  var heldOutRewards: [(key: String, score: Score)]
  /// Held-out rewards that fell while the trained reward rose.
  var alarms: [String]

  init(_ line: LogLine) throws(ReportError) {
    epoch = try line.epoch()
    guard let reward = line.value[.reward]?.string else { throw line.wrong(.reward, "a text") }
    self.reward = reward
    overall = try Score(line)
    tags = Dictionary(
      try EvaluationRecord.means(line, .tags).map { ($0.key, $0.score) },
      uniquingKeysWith: { $1 })
    trainingReward = try line.number(.trainingRewardMean)
    heldOutRewards = try EvaluationRecord.means(line, .heldOutRewards)
    alarms = (line.value[.heldOutAlarms]?.array ?? []).compactMap(\.string)
  }

  /// The scores of an object, by key, in order; empty when absent.
  private static func means(
    _ line: LogLine, _ name: MetricName
  ) throws(ReportError) -> [(key: String, score: Score)] {
    switch line.value[name] {
    case nil, .null: return []
    case .some(let value):
      guard let members = value.members else { throw line.wrong(name, "an object") }
      var means: [(key: String, score: Score)] = []
      for member in members {
        let score = LogLine(path: line.path, number: line.number, value: member.value)
        means.append((member.key, try Score(score)))
      }
      return means
    }
  }
}

extension Score {
  /// Reads the members of a line; the mean counts only where there are values.
  fileprivate init(_ line: LogLine) throws(ReportError) {
    guard let count = try line.count(.count) else {
      throw line.wrong(.count, "a whole number of at least 0")
    }
    self.init(
      count: count, mean: count > 0 ? try line.required(.mean) : nil,
      standardError: try line.number(.standardError))
  }
}
