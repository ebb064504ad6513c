/// The loss of one update.
///
///     L = mean over samples of  mean_k max(-c w A_k r_k, -c w A_k clip(r_k, 1 - low, 1 + high))
///       + mean over samples of  beta mean_D (mean - mean_ref)^2 / (2 w^2)
public struct PolicyObjective: Hashable, Sendable {
  /// How steps are weighted against each other.
  public enum Weighting: String, Hashable, Sendable, CaseIterable {
    /// `c w_i`: a step's weight is proportional to the noise that it adds.
    case noiseAware
    /// 1, Flow-GRPO's loss.
    case none
  }

  /// How the probability ratio is formed.
  public enum Ratio: String, Hashable, Sendable, CaseIterable {
    /// `exp(logp_new - logp_old)`.
    case plain
    /// GRPO-Guard, arXiv 2510.22319: the bias of the mean is removed and the log-ratio scaled,
    /// `(logp_new - logp_old + |mean_new - mean_old|^2 / (2 w^2)) w`, so that the ratios of all
    /// steps are centered on 1 with equal width; the loss is divided by -dt.
    case guarded
  }

  /// The clip range of the ratio.
  public var clipRange: ClipRange
  /// beta, the KL coefficient toward the reference; 0 needs no reference.
  public var klBeta: Double
  /// How steps are weighted.
  public var weighting: Weighting
  /// How the ratio is formed.
  public var ratio: Ratio

  /// The defaults are TempFlow-GRPO's loss with a clip range of 1e-4 and no KL term.
  public init(
    clipRange: ClipRange = 1e-4, klBeta: Double = 0, weighting: Weighting = .noiseAware,
    ratio: Ratio = .plain
  ) {
    self.clipRange = clipRange
    self.klBeta = klBeta
    self.weighting = weighting
    self.ratio = ratio
  }
}
