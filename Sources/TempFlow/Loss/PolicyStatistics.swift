/// The statistics of one update.
public struct PolicyStatistics: Hashable, Sendable {
  /// The policy loss, a mean over the samples of ``PolicyObjective/average``.
  public var policyLoss = 0.0
  /// The distance to the reference in ``PolicyObjective/klSpace``, a mean over evaluated samples
  /// without weights; 0 without a reference.
  public var klDivergence = 0.0
  /// The share of evaluated rows whose gradient the clip removed, in 0...1.
  public var clipFraction = 0.0
  /// max |ratio - 1| per trained step.
  public var ratioDeviation: [Int: Double] = [:]
  /// max |logp_new - logp_rollout| per trained step, before any scaling.
  public var logProbabilityDeviation: [Int: Double] = [:]
  /// The statistics of each trained step.
  public var perStep: [Int: StepStatistics] = [:]
  /// Whether the loss has probability ratios; without them, figures of the ratio and its clip have
  /// no meaning.
  public var hasRatios = true
  /// mean_D (v - v_old)^2, a mean over evaluated samples; nil without velocities of an old policy.
  public var oldVelocityDistance: Double?
  /// Training samples of the update.
  public var sampleCount = 0
  /// Samples without a gradient, which were not evaluated.
  public var skippedSampleCount = 0

  /// Whether every number is finite.
  public var isFinite: Bool {
    policyLoss.isFinite && klDivergence.isFinite
      && ratioDeviation.values.allSatisfy(\.isFinite)
      && logProbabilityDeviation.values.allSatisfy(\.isFinite)
  }

  /// Mean of (logp_new - logp_old)^2 / 2 over evaluated rows, as in flow_grpo; nil when none was
  /// evaluated.
  ///
  /// Log-probabilities are means over the D numbers of a latent, so this is 1 / D^2 of the estimate
  /// of the KL divergence in nats (http://joschu.net/blog/kl-approx.html), and 1 / D of its share
  /// of a number, which is the unit of `klDivergence`. Log-probabilities of CPS and of
  /// advantage-weighted matching have no variance in them, so there it compares one setting only.
  public var approximateKL: Double? {
    let all = StepStatistics.total(perStep)
    return all.rowCount == 0 || !hasRatios ? nil : all.squaredLogRatio / Double(2 * all.rowCount)
  }

  /// The largest deviation of a ratio from 1 over all steps.
  public var maximumRatioDeviation: Double { ratioDeviation.values.max() ?? 0 }
}
