internal import Recipes
package import TempFlow

/// How rewards become advantages: the `advantage` section.
package struct AdvantageRecipe: Sendable, Equatable {
  /// What is subtracted from a reward.
  package var baseline: AdvantageBaseline
  /// The deviation that divides the difference.
  package var scale: AdvantageScale
  /// Maximum of |A|.
  package var clip: Double
  package var combination: RewardCombination

  /// The advantage settings of `TempFlow`.
  package func settings(weights: [Double]) -> AdvantageSettings {
    AdvantageSettings(
      baseline: baseline, scale: scale, combination: combination, weights: weights, clip: clip)
  }
}

extension AdvantageRecipe {
  /// Reads the section and reports settings without meaning under `sampling`.
  init(_ section: RecipeSection, sampling: SamplingRecipe, rewardCount: Int) {
    baseline = section.choice("baseline", default: sampling.isBranching ? .seed : .prompt)
    scale = section.choice("scale", default: baseline.defaultScale)
    clip = section.value("clip", .double(in: .above(0)), default: 5)
    if rewardCount > 1 {
      combination = section.choice("combination", default: .weightedSum)
    } else {
      combination = .weightedSum
      section.unused("combination", because: "there is one reward")
    }
    if baseline == .trunk {
      checkTrunk(section, sampling)
    } else if !sampling.isBranching {
      checkSeed(section, sampling)
    } else if baseline == .prompt, scale == .seed {
      section.report(
        "scale",
        "seed has no deviation for a seed of equal rewards, which may differ from the prompt's "
          + "mean; use prompt, step, batch or max_group")
    }
  }

  /// Reports groups of a seed that hold one sample.
  private func checkSeed(_ section: RecipeSection, _ sampling: SamplingRecipe) {
    let reason =
      sampling.method == .tempflow
      ? "sampling.branches is 1" : "\(sampling.method.rawValue) does not branch"
    if baseline == .seed {
      section.report("baseline", "a seed has one sample, as \(reason); use prompt")
    }
    if scale == .seed, baseline != .seed || section.isGiven("scale") {
      section.report(
        "scale", "a seed has one sample, as \(reason); use prompt, step, batch or max_group")
    }
  }

  /// Reports what makes the difference to the trunk's reward meaningless.
  private func checkTrunk(_ section: RecipeSection, _ sampling: SamplingRecipe) {
    guard sampling.method == .tempflow else {
      section.report(
        "baseline",
        "\(sampling.method.rawValue) does not branch, so a sample has no trunk; use prompt")
      return
    }
    if scale == .seed || scale == .prompt {
      section.report(
        "scale",
        "\(scale.rawValue) has no deviation for a group of equal rewards, which may differ from "
          + "the trunk's; use step, batch or max_group")
    } else if scale == .maxGroup, sampling.branches == 1 {
      section.report(
        "scale", "one branch has no deviation, as sampling.branches is 1; use step or batch")
    }
    if sampling.tailStride > 1 {
      section.report(
        "baseline",
        "the trunk takes every step and a branch does not, with sampling.tail.stride "
          + "\(sampling.tailStride), so their images differ by more than the stochastic step; "
          + "use seed or prompt, or a stride of 1")
    }
  }
}
