internal import DiffusionModels
package import FlowMatching
internal import Recipes
package import TempFlow

/// The rollout: the `sampling` section of a training recipe.
package struct SamplingRecipe: Sendable, Equatable {
  /// The method, which determines the samples that share a reward.
  package enum Method: String, CaseIterable, Sendable {
    /// Trunks by ODE; each branch has one SDE step and is completed by ODE (arXiv 2508.04324).
    case tempflow
    /// Every step of a sample is an SDE step; one reward applies to all steps (arXiv 2505.05470).
    case flowGRPO = "flow_grpo"
    /// Flow-GRPO with SDE steps at the trained steps only.
    case flowGRPOFast = "flow_grpo_fast"
    /// No SDE step: finished samples for a loss on the forward process (arXiv 2509.16117).
    case ode
  }

  /// The family of the stochastic step; see `Dynamics`.
  package enum DynamicsName: String, CaseIterable, Sendable {
    case flowSDE = "flow_sde"
    case cps
    case danceSDE = "dance_sde"
  }

  /// The device that generates the noise.
  package enum NoiseGenerator: String, CaseIterable, Sendable {
    /// The device of the model.
    case device
    /// The CPU, whose numbers are the same on every machine.
    case cpu
  }

  package var method: Method
  /// N, denoising steps of one image; at least 2.
  package var steps: Int
  /// Guidance scale g; with classifier-free guidance, 1 is none and halves the evaluations.
  package var guidanceScale: Double
  /// Negative prompt for classifier-free guidance, also in evaluations.
  package var negativePrompt: String
  package var dynamics: DynamicsName
  /// a of the stochastic step (eta for `dance_sde`).
  package var noiseLevel: Double
  /// The largest standard deviation of one step's noise; nil is no limit.
  package var noiseLimit: Double?
  /// The device that generates the noise of the rollout; evaluations always use the CPU.
  package var noiseGenerator: NoiseGenerator
  /// The trained steps, at which TempFlow's trunks branch.
  package var trainedSteps: BranchSteps
  /// S, initial noises per prompt.
  package var seedsPerPrompt: Int
  /// K, branches of one (trunk, step); Flow-GRPO draws S·K samples of a prompt instead.
  package var branches: Int
  /// The sigmas that a branch moves on in each step after its stochastic one; 1 visits every sigma.
  package var tailStride: Int
  /// Latents of one model call at most.
  package var microBatch: Int
  /// Latents decoded to images at once; nil derives the number from the memory budget.
  package var decodeMicroBatch: Int?
  /// Trunks of one rollout batch; nil means all of an epoch. Limits memory, and lets the samples of
  /// one batch be scored while the next is generated.
  package var trunksPerRolloutBatch: Int?

  /// Trunks (independent initial noises) of one prompt: S, or S·K for Flow-GRPO.
  package var trunksPerPrompt: Int {
    method == .tempflow ? seedsPerPrompt : seedsPerPrompt * branches
  }

  /// Whether a seed has several samples at each trained step, which its groups compare.
  var isBranching: Bool { method == .tempflow && branches > 1 }

  /// Steps trained in one epoch.
  package var trainedStepCount: Int { trainedSteps.count(stepCount: steps) }

  /// The dynamics of `TempFlow` with these settings.
  package var stochasticDynamics: Dynamics {
    guard method != .ode else { return .deterministic }
    return switch dynamics {
    case .flowSDE: .flowSDE(noiseLevel: noiseLevel, noiseLimit: noiseLimit)
    case .cps: .cps(noiseLevel: noiseLevel, noiseLimit: noiseLimit)
    case .danceSDE: .danceSDE(eta: noiseLevel, noiseLimit: noiseLimit)
    }
  }

  /// The rollout of `TempFlow` with these settings.
  var rolloutMethod: RolloutMethod {
    switch method {
    case .tempflow: .branching(branches: branches, tailStride: tailStride)
    case .flowGRPO: .flowGRPO
    case .flowGRPOFast: .flowGRPOFast
    case .ode: .ode
    }
  }

  /// The rollout plan of `TempFlow`, over the model's own sigmas, but for the trunks' own images;
  /// see `TrainingRecipe.rolloutPlan`.
  ///
  /// - Throws: `RolloutPlanError`, for example if a trained step adds no noise.
  func rolloutPlan(_ schedule: FlowSchedule) throws(RolloutPlanError) -> RolloutPlan {
    var plan = try RolloutPlan(
      schedule: schedule, dynamics: stochasticDynamics, method: rolloutMethod, steps: trainedSteps)
    plan.microBatch = microBatch
    plan.trunksPerBatch = trunksPerRolloutBatch ?? Int.max
    return plan
  }
}

extension SamplingRecipe {
  /// Reads the section and reports values out of range or in conflict; `checkGroups` reports too
  /// few samples for the advantages.
  ///
  /// - Parameter defaults: the defaults of the model's family.
  init(_ section: RecipeSection, _ defaults: FlowModelDefaults) {
    method = section.choice("method", default: .tempflow)
    steps = section.int("steps", in: 2...1000)
    guidanceScale = section.double("guidance_scale", in: 1...100, default: defaults.guidanceScale)
    section.warnOfNoGuidance(guidanceScale, defaults)
    negativePrompt = section.string("negative_prompt", default: defaults.negativePrompt)
    if method == .ode {
      (dynamics, noiseLevel) = (.flowSDE, 0)
      for key in ["dynamics", "noise_level", "noise_limit"] {
        section.unused(key, because: "method is ode")
      }
    } else {
      dynamics = section.choice("dynamics", default: .flowSDE)
      noiseLevel = section.double(
        "noise_level", in: .above(0, through: 10),
        // The level of the published runs with CPS, for which it is an angle.
        default: dynamics == .cps ? 0.8 : defaults.noiseLevel)
      noiseLimit = section.optional("noise_limit", .double(in: .above(0, through: 10)))
    }
    if dynamics == .cps, noiseLevel > 1 {
      section.report(
        "noise_level",
        "must be at most 1 with cps dynamics, whose noise, sin(level pi / 2), is largest there")
    }
    noiseGenerator = section.choice("noise_generator", default: .device)
    trainedSteps = BranchSteps(section, "trained_steps", trainable: steps - 1)
    seedsPerPrompt = section.int("seeds_per_prompt", in: 1...4096, default: 1)
    // After an error, two: `checkGroups` has nothing to report.
    branches = section.value("branches", .int(in: 1...4096, standIn: 2))
    tailStride = section.section("tail").int("stride", in: 1...max(1, steps - 1), default: 1)
    if method != .tempflow, tailStride > 1 {
      section.report(
        "tail",
        "\(method.rawValue) has no branches whose steps could be skipped; "
          + "remove tail, or use method tempflow")
    }
    microBatch = section.int("micro_batch", in: 1...65536, default: 256)
    decodeMicroBatch = section.optional("decode_micro_batch", .int(in: 1...65536))
    trunksPerRolloutBatch = section.optional("trunks_per_rollout_batch", .int(in: 1...65536))
  }
}

extension SamplingRecipe {
  /// Reports a prompt with one sample, except where that is compared with its trunk's own image.
  func checkGroups(_ section: RecipeSection, _ advantage: AdvantageRecipe) {
    guard seedsPerPrompt == 1, branches == 1, advantage.baseline != .trunk else { return }
    section.report(
      "branches",
      "one sample of a prompt is no group to compare; use 2 or more, several seeds_per_prompt, or "
        + "with tempflow advantage.baseline: trunk")
  }
}

extension BranchSteps {
  private enum Counted: String, CaseIterable {
    case first, sliding, random, window
  }

  /// `all`, a list of steps, or a section with one of `first`, `sliding`, `random`, `window`, the
  /// last two optionally with `of`.
  ///
  /// - Parameter trainable: N-1, because the last step is never trained.
  init(_ section: RecipeSection, _ key: String, trainable: Int) {
    switch section.shape(of: key) {
    case .list:
      let steps = section.list(key, of: .int(in: 0...(trainable - 1)), count: 1...)
      if zip(steps, steps.dropFirst()).contains(where: { $0 >= $1 }) {
        section.report(key, "steps must ascend, each once")
      }
      self = .list(steps)
    case .section:
      self = Self.counted(section.section(key), in: section, key, trainable)
    case .absent, .null, .scalar:
      if section.string(key, default: "all") != "all" {
        section.report(
          key,
          "must be all, a list of steps, or one of first: n, sliding: n, random: n, window: n")
      }
      self = .all
    }
  }

  private static func counted(
    _ policy: RecipeSection, in section: RecipeSection, _ key: String, _ trainable: Int
  ) -> BranchSteps {
    let given = Counted.allCases.filter { policy.isGiven($0.rawValue) }
    let counts = given.map { policy.int($0.rawValue, in: 1...trainable) }
    guard given.count == 1 else {
      section.report(key, "needs exactly one of first, sliding, random, window")
      return .all
    }
    switch given[0] {
    case .first: return .first(counts[0])
    case .sliding: return .sliding(counts[0])
    case .random: return .random(counts[0], of: range(policy, counts[0], trainable))
    case .window: return .window(counts[0], of: range(policy, counts[0], trainable))
    }
  }

  /// `of`: the number of first steps that a draw is from.
  private static func range(_ policy: RecipeSection, _ count: Int, _ trainable: Int) -> Int? {
    policy.optional("of", .int(in: count...max(count, trainable)))
  }
}
