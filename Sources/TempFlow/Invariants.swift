/// A violated invariant of a training run.
public enum InvariantError: Error, Hashable, Sendable {
  /// The first update of an epoch computes other log-probabilities than the rollout, which defines
  /// the old policy.
  case rolloutAndTrainingDisagree(step: Int, deviation: Double, clipRange: Double)
  /// The same where the update's own forward pass defines the old policy; the deviation is far
  /// above rounding errors.
  case rolloutAndRecomputationDisagree(step: Int, deviation: Double, limit: Double)
  /// A loss, ratio or divergence is not finite.
  case notFinite(what: String, step: Int?)
  /// The gradient of one pass of an update is not finite, or the norm of one of its parameters is
  /// too large for the sum of the passes.
  case gradientRange(limit: Double)
  /// The size of a group differs from the recipe's.
  case groupSize(prompt: Int, step: Int, found: Int, expected: Int)
  /// The weights of steps do not average to 1.
  case weightMean(Double)
}

extension InvariantError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .rolloutAndTrainingDisagree(let step, let deviation, let clipRange):
      "step \(step): log-probabilities of rollout and training differ by \(deviation), or their "
        + "ratio from 1, more than the clip range \(clipRange), before the first update; likely "
        + "causes are half "
        + "precision, kernels that depend on the batch, or dropout; set "
        + "old_log_prob: recomputed, or compute in float32"
    case .rolloutAndRecomputationDisagree(let step, let deviation, let limit):
      "step \(step): log-probabilities of rollout and training differ by \(deviation), more than "
        + "\(limit), before the first update; that is above the rounding error of half precision: "
        + "likely causes are kernels that depend on the batch, or dropout; compute in float32, or "
        + "train earlier steps, where rounding has less effect"
    case .notFinite(let what, let step):
      "\(what) is not finite" + (step.map { " at step \($0)" } ?? "")
        + "; resume from the last checkpoint with a smaller learning rate or clip range"
    case .gradientRange(let limit):
      "the gradient of a pass of this update is not finite, or the norm of a parameter in it is at "
        + "least \(Int(limit)), beyond which passes cannot be added exactly; resume from the last "
        + "checkpoint with a smaller learning rate or clip range, or with fewer passes by a larger "
        + "optimizer.micro_batch"
    case .groupSize(let prompt, let step, let found, let expected):
      "prompt \(prompt), step \(step): \(found) rewards in the group instead of \(expected); "
        + "every branch must be scored once"
    case .weightMean(let mean):
      "the weights of steps average to \(mean) instead of 1; report this schedule as a bug"
    }
  }
}

extension PolicyStatistics {
  /// Checks that losses, ratios and divergences are finite.
  public func checkFinite() throws(InvariantError) {
    guard policyLoss.isFinite else { throw .notFinite(what: "the policy loss", step: nil) }
    guard klDivergence.isFinite else { throw .notFinite(what: "the KL divergence", step: nil) }
    for (step, value) in ratioDeviation.sorted(by: { $0.key < $1.key }) where !value.isFinite {
      throw .notFinite(what: "a probability ratio", step: step)
    }
  }

  /// Checks the first update of an epoch: the parameters are still the rollout's, so training
  /// computes the rollout's log-probabilities up to rounding.
  ///
  /// If the rollout defines the old policy, a deviation of the log-probability or of the ratio
  /// beyond the clip range would clip gradients away. If the update's own forward pass does
  /// (``Rollout/recomputeOldVelocities(of:_:microBatch:share:field:)``), ratios are 1 at any
  /// deviation, and up to 30 clip ranges, at most 3e-3, are rounding errors of half precision; a
  /// deviation within the clip range is always accepted.
  ///
  /// - Parameters:
  ///   - clipRange: the narrower side of the clip range.
  ///   - recomputed: whether the update's own forward pass defines the old policy.
  public func checkFirstUpdate(
    clipRange: Double, recomputed: Bool = false
  ) throws(InvariantError) {
    let limit = recomputed ? max(clipRange, min(30 * clipRange, 3e-3)) : clipRange
    // Centered ratios scale a difference up at early steps.
    let deviations =
      recomputed
      ? logProbabilityDeviation
      : logProbabilityDeviation.merging(ratioDeviation) { $0.isNaN ? $0 : max($1, $0) }
    for (step, value) in deviations.sorted(by: { $0.key < $1.key }) where !(value <= limit) {
      throw recomputed
        ? .rolloutAndRecomputationDisagree(step: step, deviation: value, limit: limit)
        : .rolloutAndTrainingDisagree(step: step, deviation: value, clipRange: clipRange)
    }
  }
}

extension RolloutPlan {
  /// Checks that weights average to 1 over the trainable steps of the plan: `c mean(w) = 1`.
  public func checkWeights(
    _ weighting: PolicyObjective.Weighting = .noiseAware
  ) throws(InvariantError) {
    // Deterministic steps have no weights.
    guard method != .ode else { return }
    let candidates = steps.candidates(stepCount: schedule.stepCount)
    let mean = weights(weighting, of: candidates).reduce(0, +) / Double(candidates.count)
    guard abs(mean - 1) < 1e-9 else { throw .weightMean(mean) }
  }
}

/// Checks that every (prompt, step) holds `expected` rewards: S K with branches.
public func checkGroupSizes(_ rows: [RewardRow], expected: Int) throws(InvariantError) {
  var sizes: [[Int]: Int] = [:]
  for row in rows { sizes[[row.prompt, row.step], default: 0] += 1 }
  for row in rows where sizes[[row.prompt, row.step]] != expected {
    throw .groupSize(
      prompt: row.prompt, step: row.step, found: sizes[[row.prompt, row.step]] ?? 0,
      expected: expected)
  }
}
