internal import Recipes
package import TempFlow
internal import Torch

/// The loss: the `loss` section.
package struct LossRecipe: Sendable, Equatable {
  /// The origin of the old log-probability in the ratio.
  package enum OldLogProb: String, CaseIterable, Sendable {
    /// The velocities of the rollout.
    case rollout
    /// One more evaluation in the batches of the update, for runs in which rollout and update
    /// disagree.
    case recomputed
  }

  package var objective: PolicyObjective
  package var oldLogProb: OldLogProb
  /// The loss in place of `objective`, whose KL coefficient it shares; nil for the policy loss.
  package var forward: ForwardProcessRecipe?
}

extension LossRecipe {
  init(
    _ section: RecipeSection, dtype: DType, sampling: SamplingRecipe, advantage: AdvantageRecipe
  ) {
    let method: Method = section.choice("method", default: .policy)
    Self.check(method, section, sampling)
    if method == .policy {
      self.init(policy: section, dtype: dtype, dynamics: sampling.dynamics)
    } else {
      self.init(forward: method, section, advantage: advantage)
    }
  }

  /// - Parameter dtype: precision of the network. In half precision, the roundings of rollout and
  ///   update differ by more than a clip range at late steps, so the default is the update's own
  ///   log-probability.
  ///
  /// GRPO-Guard's ratio and coefficient-preserving sampling already scale gradients by step; with
  /// them the default weighting is none.
  private init(
    policy section: RecipeSection, dtype: DType, dynamics: SamplingRecipe.DynamicsName
  ) {
    objective = PolicyObjective()
    objective.ratio = section.choice("ratio", default: .plain)
    objective.weighting = Self.weighting(section, objective.ratio, dynamics)
    objective.clipRange = Self.clipRange(section)
    objective.average = section.choice("average", default: .all)
    objective.klBeta = section.double("kl_beta", in: 0...1000, default: 0)
    if objective.klBeta > 0 {
      objective.klSpace = section.choice("kl_space", default: .mean)
    } else {
      section.unused("kl_space", because: "kl_beta is 0")
    }
    oldLogProb = section.choice(
      "old_log_prob", default: dtype == .float32 ? .rollout : .recomputed)
  }

  private static func weighting(
    _ section: RecipeSection, _ ratio: PolicyObjective.Ratio,
    _ dynamics: SamplingRecipe.DynamicsName
  ) -> PolicyObjective.Weighting {
    let scaled: String? =
      ratio == .guarded
      ? "ratio grpo_guard" : dynamics == .cps ? "sampling.dynamics cps" : nil
    let weighting: PolicyObjective.Weighting = section.choice(
      "weighting", default: scaled == nil ? .noiseAware : PolicyObjective.Weighting.none)
    if let scaled, weighting != .none {
      section.warn(
        "weighting",
        "\(scaled) already scales gradients by step, and \(weighting.rawValue) would again; "
          + "use none")
    } else if dynamics == .danceSDE, weighting == .inverseNoise {
      section.warn(
        "weighting",
        "inverse_noise evens out the steps of sampling.dynamics flow_sde; those of dance_sde add "
          + "other noise")
    }
    return weighting
  }

  /// One number, or `[low, high]`.
  static func clipRange(_ section: RecipeSection) -> ClipRange {
    let key = "clip_range"
    guard section.shape(of: key) == .list else {
      return ClipRange(section.double(key, in: .above(0, through: 1)))
    }
    let sides = section.list(key, of: .double(in: .above(0, through: 1)), count: 2...2)
    return ClipRange(low: sides[0], high: sides[1])
  }
}
