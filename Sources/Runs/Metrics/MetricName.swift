package import Foundations

/// The names of a run's metrics in `metrics.jsonl` and `timings.jsonl`.
///
/// They are an interface: `docs/metrics.md` describes each, and a name keeps its meaning.
package enum MetricName: String, CaseIterable, Sendable {
  // In every line.
  case kind, epoch
  // Lines of kind "epoch".
  case images
  case nfe = "nfe"
  case rewardMean = "reward_mean"
  case rewardStd = "reward_std"
  case trunkRewardMean = "trunk_reward_mean"
  case rewardMissing = "reward_missing"
  case rewardMissingReasons = "reward_missing_reasons"
  case rewardMeanPerStep = "reward_mean_per_step"
  case advantageAbsMean = "advantage_abs_mean"
  case fracRewardZeroStd = "frac_reward_zero_std"
  case updates
  case trainingSamples = "training_samples"
  case trainingSamplesSkipped = "training_samples_skipped"
  case learningRate = "learning_rate"
  case policyLoss = "policy_loss"
  case policyLossPerUpdate = "policy_loss_per_update"
  case kl
  case clipFraction = "clip_fraction"
  case clipFractionPerUpdate = "clip_fraction_per_update"
  case gradNorm = "grad_norm"
  case gradNormPerUpdate = "grad_norm_per_update"
  case lossScale = "loss_scale"
  case approximateKL = "approx_kl"
  case oldVelocityDistance = "old_velocity_distance"
  case klPerStep = "kl_per_step"
  case clipFractionPositivePerStep = "clip_fraction_positive_per_step"
  case clipFractionNegativePerStep = "clip_fraction_negative_per_step"
  case logRatioMeanPerStep = "log_ratio_mean_per_step"
  case gradientSharePerStep = "gradient_share_per_step"
  case rewardStdInGroupsPerStep = "reward_std_in_groups_per_step"
  case fracRewardZeroStdPerStep = "frac_reward_zero_std_per_step"
  case ratioMaxDeviation = "ratio_max_deviation"
  case ratioMaxDeviationPerStep = "ratio_max_deviation_per_step"
  case logProbDeviationPerStep = "log_prob_deviation_per_step"
  // Lines of kind "evaluation".
  case reward, mean, count, tags
  case standardError = "standard_error"
  case trainingRewardMean = "training_reward_mean"
  case heldOutRewards = "held_out_rewards"
  case heldOutAlarms = "held_out_alarms"
  // Lines of timings.jsonl.
  case loadSeconds = "load_seconds"
  case textSeconds = "text_seconds"
  case rolloutSeconds = "rollout_seconds"
  case decodeSeconds = "decode_seconds"
  case rewardSeconds = "reward_seconds"
  case scoringSeconds = "scoring_seconds"
  case updateSeconds = "update_seconds"
  case epochSeconds = "epoch_seconds"
  case rankRolloutSeconds = "rank_rollout_seconds"
  case rankDecodeSeconds = "rank_decode_seconds"
  case rankRewardSeconds = "rank_reward_seconds"
  case rankUpdateSeconds = "rank_update_seconds"
  case rankEpochSeconds = "rank_epoch_seconds"
  case totalSeconds = "total_seconds"
  case evaluationSeconds = "evaluation_seconds"
  case checkpointSeconds = "checkpoint_seconds"
}

/// The kind of a log's line: the value of `MetricName.kind`.
package enum MetricKind: String, CaseIterable, Sendable {
  /// One epoch of rollout and updates.
  case epoch
  /// One evaluation on the held-out prompts.
  case evaluation
  /// The start of a process that began or resumed the run (timings only).
  case start
  /// One checkpoint (timings only).
  case checkpoint
}

extension JSONValue.Member {
  /// A member under one of the documented names.
  package init(_ name: MetricName, _ value: JSONValue) {
    self.init(name.rawValue, value)
  }

  /// The member that gives a line's kind.
  package init(_ kind: MetricKind) {
    self.init(.kind, .string(kind.rawValue))
  }
}

extension JSONValue {
  /// The value of one of the documented names.
  package subscript(_ name: MetricName) -> JSONValue? { self[name.rawValue] }

  /// A score as an object: `count`, `mean`, `standard_error`.
  package init(_ score: Score) {
    self = [
      "count": .int(score.count), "mean": score.mean.map(JSONValue.double) ?? .null,
      "standard_error": score.standardError.map(JSONValue.double) ?? .null,
    ]
  }

  /// Scores per tag, tags sorted by their bytes.
  package init(tags: [String: Score]) {
    let sorted = tags.sorted { Array($0.key.utf8).lexicographicallyPrecedes(Array($1.key.utf8)) }
    self = .object(sorted.map { Member($0.key, JSONValue($0.value)) })
  }
}
