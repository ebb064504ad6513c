internal import Recipes
package import TempFlow
internal import Torch

/// How rewards become advantages: the `advantage` section.
package struct AdvantageRecipe: Sendable, Equatable {
  private enum Combination: String, CaseIterable {
    case sum, gdpo
  }

  package var group: AdvantageGroup
  /// |A| at most; nil does not limit.
  package var clip: Double?
  package var combination: RewardCombination

  /// In the algorithm's terms.
  package func settings(weights: [Double]) -> AdvantageSettings {
    var settings = AdvantageSettings()
    settings.group = group
    settings.clip = clip
    settings.combination = combination
    settings.weights = weights
    return settings
  }
}

extension AdvantageRecipe {
  init(_ section: RecipeSection, sampling: SamplingRecipe, rewardCount: Int) {
    let branches = sampling.method == .tempflow && sampling.branches > 1
    group = section.choice("group", default: branches ? .seed : .prompt)
    if group == .seed, !branches {
      let reason =
        sampling.method == .tempflow
        ? "sampling.branches is 1" : "\(sampling.method.rawValue) does not branch"
      section.report("group", "a seed has one sample, as \(reason); use prompt or batch")
    }
    clip = section.value("clip", .double(in: .above(0)), default: 5)
    if rewardCount > 1 {
      let name: Combination = section.choice("combination", default: .sum)
      combination = name == .sum ? .weightedSum : .perReward
    } else {
      combination = .weightedSum
      section.unused("combination", because: "there is one reward")
    }
  }
}

/// The policy loss: the `loss` section.
package struct LossRecipe: Sendable, Equatable {
  /// Where the old log-probability of the ratio comes from.
  package enum OldLogProb: String, CaseIterable, Sendable {
    /// The rollout's own velocities.
    case rollout
    /// One more evaluation in training's batches; the remedy when the two disagree.
    case recomputed
  }

  private enum Weighting: String, CaseIterable {
    case noiseAware = "noise_aware"
    case none
  }

  private enum Ratio: String, CaseIterable {
    case plain
    case guarded = "grpo_guard"
  }

  package var objective: PolicyObjective
  package var oldLogProb: OldLogProb
}

extension LossRecipe {
  /// - Parameter dtype: precision of the network. In half precision rounding of rollout and training
  ///   differs by more than a clip range at late steps, so there training defines the old policy.
  ///
  /// Gradients of GRPO-Guard's ratio and of coefficient-preserving steps are scaled by step already:
  /// there the weighting is none unless the recipe says otherwise.
  init(_ section: RecipeSection, dtype: DType, dynamics: SamplingRecipe.DynamicsName) {
    objective = PolicyObjective()
    let ratio: Ratio = section.choice("ratio", default: .plain)
    let scaled: String? =
      ratio == .guarded
      ? "ratio grpo_guard" : dynamics == .cps ? "sampling.dynamics cps" : nil
    let weighting: Weighting = section.choice(
      "weighting", default: scaled == nil ? Weighting.noiseAware : Weighting.none)
    objective.weighting = weighting == .noiseAware ? .noiseAware : .none
    if let scaled, weighting == .noiseAware {
      section.warn("weighting", "noise_aware scales by step what \(scaled) has scaled already; use none")
    }
    objective.clipRange = section.double("clip_range", in: .above(0, through: 1))
    objective.klBeta = section.double("kl_beta", in: 0...1000, default: 0)
    objective.ratio = ratio == .guarded ? .guarded : .plain
    oldLogProb = section.choice(
      "old_log_prob", default: dtype == .float32 ? .rollout : .recomputed)
  }
}
