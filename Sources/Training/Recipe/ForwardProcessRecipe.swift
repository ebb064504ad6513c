internal import Recipes
package import TempFlow

/// A loss on finished samples, and its old policy.
package struct ForwardProcessRecipe: Sendable, Equatable {
  package var objective: ForwardProcessObjective
  package var old: OldPolicyRecipe
}

/// How the old policy follows the trained one: `loss.old_policy`.
///
/// After the updates of an epoch it becomes `decay · old + (1 - decay) · trained`, where the decay
/// rises with the updates of the whole run.
package struct OldPolicyRecipe: Sendable, Equatable {
  /// The largest decay.
  package var decay: Double
  /// The rise of the decay with each update; 1 has the largest at once.
  package var decayRate: Double
  /// Updates after which the decay begins to rise.
  package var decayStart: Int

  /// The decay after `updates` updates of the run.
  package func decay(afterUpdates updates: Int) -> Double {
    updates < decayStart ? 0 : min(decay, Double(updates - decayStart) * decayRate)
  }

  /// Whether the old policy equals the trained one before an epoch, `updates` updates into the run.
  package func isCurrent(afterUpdates updates: Int) -> Bool {
    updates == 0 || decay(afterUpdates: updates) == 0
  }

  init(_ section: RecipeSection, decay defaultDecay: Double) {
    decay = section.double("decay", in: 0...1, default: defaultDecay)
    guard decay > 0 else {
      (decayRate, decayStart) = (0, 0)
      section.unused("decay_rate", because: "decay is 0")
      section.unused("decay_start", because: "decay is 0")
      return
    }
    decayRate = section.double("decay_rate", in: .above(0, through: 1), default: 0.001)
    decayStart = section.int("decay_start", in: 0..., default: 0)
  }
}

extension LossRecipe {
  /// The loss: `loss.method`.
  enum Method: String, CaseIterable {
    case policy
    case diffusionNFT = "diffusion_nft"
    case advantageWeightedMatching = "awm"
  }

  /// Keys of losses on finished samples.
  private static let forwardKeys = ["beta", "time_weight", "old_kl_beta", "old_policy"]
  /// Keys of the policy loss that have no meaning without the sampler's log-probabilities.
  private static let policyKeys = [
    "weighting", "ratio", "average", "kl_space", "old_log_prob",
  ]

  /// Reports a method that does not fit the rollout.
  static func check(
    _ method: Method, _ section: RecipeSection, _ sampling: SamplingRecipe
  ) {
    switch (method, sampling.method) {
    case (.policy, .ode):
      section.report(
        "method",
        "must be diffusion_nft or awm with sampling.method ode, whose steps have no "
          + "log-probability")
    case (.policy, _):
      for key in forwardKeys { section.unused(key, because: "method is policy") }
    case (_, .ode): break
    case (_, let other):
      section.report(
        "method",
        "\(method.rawValue) trains on finished samples; it needs sampling.method ode, not "
          + other.rawValue)
    }
  }

  /// A loss on finished samples.
  init(
    forward method: Method, _ section: RecipeSection, advantage: AdvantageRecipe
  ) {
    objective = PolicyObjective()
    objective.klBeta = section.double("kl_beta", in: 0...1000, default: 0)
    oldLogProb = .rollout
    for key in Self.policyKeys { section.unused(key, because: "method is \(method.rawValue)") }
    var oldBeta = 0.0
    let forward: ForwardProcessObjective.Method
    if method == .diffusionNFT {
      for key in ["clip_range", "time_weight", "old_kl_beta"] {
        section.unused(key, because: "method is diffusion_nft")
      }
      forward = .diffusionNFT(
        beta: section.double("beta", in: .above(0, through: 100), default: 1),
        advantageLimit: advantage.clip)
    } else {
      section.unused("beta", because: "method is awm")
      let weight: ForwardProcessObjective.TimeWeight = section.choice(
        "time_weight", default: .uniform)
      objective.clipRange = Self.clipRange(section)
      oldBeta = section.double("old_kl_beta", in: 0...1000, default: 0)
      forward = .advantageWeightedMatching(
        clipRange: objective.clipRange, timeWeight: weight)
    }
    self.forward = ForwardProcessRecipe(
      objective: ForwardProcessObjective(forward, klBeta: objective.klBeta, oldBeta: oldBeta),
      old: OldPolicyRecipe(
        section.section("old_policy"), decay: method == .diffusionNFT ? 0.5 : 0))
  }
}

extension LossRecipe {
  /// Updates of an epoch whose samples are also evaluated under the old policy, or whose old
  /// log-probabilities are recomputed.
  ///
  /// - Parameters:
  ///   - updates: of an epoch.
  ///   - epoch: from 0.
  func evaluatedOldUpdates(of updates: Int, epoch: Int) -> Int {
    guard let forward else { return oldLogProb == .recomputed ? updates - 1 : 0 }
    return forward.old.isCurrent(afterUpdates: epoch * updates) ? updates - 1 : updates
  }

  /// Whether a training sample is not evaluated.
  func skips(_ sample: TrainingSample) -> Bool {
    forward.map { sample.isSkippable($0.objective) } ?? sample.isSkippable(objective)
  }
}
