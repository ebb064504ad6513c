/// The loss of one update on finished samples: noise is added to x_0 by the forward process, and
/// the velocity is trained there. No log-probability of the sampler is needed.
///
///     x_t = (1 - t) x_0 + t eps        u = eps - x_0, the target of the velocity
///     L   = mean over samples of
///           L_method + beta_kl mean_D (v - v_ref)^2 + beta_old mean_D (v - v_old)^2
public struct ForwardProcessObjective: Hashable, Sendable {
  /// How an advantage changes the velocity at x_t.
  public enum Method: Hashable, Sendable {
    /// DiffusionNFT, arXiv 2509.16117; see ``DiffusionNFTLoss``.
    ///
    /// - Parameters:
    ///   - beta: the distance of the two implicit policies from the old one.
    ///   - advantageLimit: the advantage at which a sample counts as wholly good.
    case diffusionNFT(beta: Double, advantageLimit: Double)
    /// Advantage Weighted Matching, arXiv 2509.25050; see ``AdvantageWeightedMatchingLoss``.
    case advantageWeightedMatching(clipRange: ClipRange, timeWeight: TimeWeight)
  }

  /// w(t) of Advantage Weighted Matching; raw values are the words of a recipe.
  public enum TimeWeight: String, Hashable, Sendable, CaseIterable {
    /// 1.
    case uniform
    /// t.
    case sigma
    /// t^2, which makes the error of the velocity that of the predicted x_0.
    case sigmaSquared = "sigma_squared"

    /// w at `sigma`.
    package func value(_ sigma: Double) -> Double {
      switch self {
      case .uniform: 1
      case .sigma: sigma
      case .sigmaSquared: sigma * sigma
      }
    }
  }

  /// The method.
  public var method: Method
  /// beta_kl, the coefficient toward the reference; 0 needs no reference.
  public var klBeta: Double
  /// beta_old, the coefficient toward the old policy.
  public var oldBeta: Double

  /// A loss without distances to other policies by default.
  public init(_ method: Method, klBeta: Double = 0, oldBeta: Double = 0) {
    self.method = method
    self.klBeta = klBeta
    self.oldBeta = oldBeta
  }
}

extension TrainingSample {
  /// Whether the sample has no gradient under a forward-process loss. A sample without a reward is
  /// left out, as its latents may not be finite.
  ///
  /// DiffusionNFT keeps samples without an advantage: they pull the policy toward the old one.
  public func isSkippable(_ objective: ForwardProcessObjective) -> Bool {
    if isUnscored { return true }
    return switch objective.method {
    case .diffusionNFT: false
    case .advantageWeightedMatching:
      objective.klBeta == 0 && objective.oldBeta == 0 && advantages.allSatisfy { $0 == 0 }
    }
  }
}
