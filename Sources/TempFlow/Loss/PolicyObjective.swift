/// The loss of one update.
///
///     L = mean over samples of  mean_k max(-c w A_k r_k, -c w A_k clip(r_k, 1 - low, 1 + high))
///       + mean over samples of  beta mean_D (mean - mean_ref)^2 / (2 w^2)
///
/// Raw values are the words of a recipe.
public struct PolicyObjective: Hashable, Sendable {
  /// How steps are weighted against each other, with mean 1.
  public enum Weighting: String, Hashable, Sendable, CaseIterable {
    /// `c w_i`: a step's weight is proportional to the noise that it adds.
    case noiseAware = "noise_aware"
    /// `c' sqrt(sigma_i / (1 - sigma*_i)) / sqrt(-dt_i)`: under Flow-GRPO's SDE the derivative by
    /// the velocity is of one size at all steps. A KL term in the space of means is multiplied by
    /// the square. Source: LongCat-Video, arXiv 2510.22200.
    case inverseNoise = "inverse_noise"
    /// 1, Flow-GRPO's loss.
    case none
  }

  /// How the probability ratio is formed.
  public enum Ratio: String, Hashable, Sendable, CaseIterable {
    /// `exp(logp_new - logp_old)`.
    case plain
    /// `exp(kappa (logp_new - logp_old + mean_D (mean_new - mean_old)^2 / (2 w^2)))`, with the loss
    /// divided by `kappa_i = W w_i / |b_i|` and W the mean of `|b_i| / w_i` over trainable steps:
    /// equal changes of the velocity give log-ratios that are centered on 0 and of one width at all
    /// steps. On-policy the gradient is that of `plain`.
    case centered
    /// GRPO-Guard, arXiv 2510.22319: the bias of the mean is removed and the log-ratio scaled,
    /// `(logp_new - logp_old + |mean_new - mean_old|^2 / (2 w^2)) w`, so that the ratios of all
    /// steps are centered on 1 with equal width; the loss is divided by -dt.
    case guarded = "grpo_guard"
  }

  /// The samples that the loss is a mean over.
  public enum Average: String, Hashable, Sendable, CaseIterable {
    /// All samples of the update: skipped ones do not change the weight of the others.
    case all
    /// The samples that are not skipped, as in flow_grpo.
    case active
  }

  /// Where the distance to the reference model is measured.
  public enum KLSpace: String, Hashable, Sendable, CaseIterable {
    /// `mean_D (mean - mean_ref)^2 / (2 w^2)`, the KL divergence of the step.
    case mean
    /// `mean_D (v - v_ref)^2`, which has the same scale at all steps.
    case velocity
  }

  /// The clip range of the ratio.
  public var clipRange: ClipRange
  /// beta, the KL coefficient toward the reference; 0 needs no reference.
  public var klBeta: Double
  /// Where the KL term is measured.
  public var klSpace: KLSpace
  /// How steps are weighted.
  public var weighting: Weighting
  /// How the ratio is formed.
  public var ratio: Ratio
  /// The samples that the loss is a mean over.
  public var average: Average

  /// The defaults are TempFlow-GRPO's loss with a clip range of 1e-4 and no KL term.
  public init(
    clipRange: ClipRange = 1e-4, klBeta: Double = 0, klSpace: KLSpace = .mean,
    weighting: Weighting = .noiseAware, ratio: Ratio = .plain, average: Average = .all
  ) {
    self.clipRange = clipRange
    self.klBeta = klBeta
    self.klSpace = klSpace
    self.weighting = weighting
    self.ratio = ratio
    self.average = average
  }

  /// The number of samples that the loss of an update is a mean over: at least 1.
  ///
  /// - Parameter samples: all samples of the update, over all processes.
  package func averagedCount(of samples: [TrainingSample]) -> Int {
    switch average {
    case .all: max(1, samples.count)
    case .active: max(1, samples.count { !$0.isSkippable(self) })
    }
  }
}
