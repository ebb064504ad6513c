internal import DiffusionModels
package import FlowMatching
internal import Recipes
package import TempFlow

/// How images are made for learning: the `sampling` section of a training recipe.
package struct SamplingRecipe: Sendable, Equatable {
  /// Which samples share a reward.
  package enum Method: String, CaseIterable, Sendable {
    /// Trunks by ODE; each branch takes one SDE step and is finished by ODE (arXiv 2508.04324).
    case tempflow
    /// Every sample takes SDE steps throughout; one reward for all its steps (arXiv 2505.05470).
    case flowGRPO = "flow_grpo"
    /// Flow-GRPO that is stochastic at the trained steps only.
    case flowGRPOFast = "flow_grpo_fast"
  }

  /// The family of the stochastic step; see `Dynamics`.
  package enum DynamicsName: String, CaseIterable, Sendable {
    case flowSDE = "flow_sde"
    case cps
    case danceSDE = "dance_sde"
  }

  /// Which device draws the noise.
  package enum NoiseGenerator: String, CaseIterable, Sendable {
    /// The one that computes.
    case device
    /// The processor, whose numbers are the same on every machine.
    case cpu
  }

  package var method: Method
  /// N, denoising steps of one image; at least 2.
  package var steps: Int
  /// Classifier-free guidance g; 1 is none and costs half as many evaluations.
  package var guidanceScale: Double
  /// What guidance leads away from, in evaluations, too.
  package var negativePrompt: String
  package var dynamics: DynamicsName
  /// a of the stochastic step (eta for `dance_sde`).
  package var noiseLevel: Double
  /// Which device draws the noise of the rollout; that of evaluations is always the processor's.
  package var noiseGenerator: NoiseGenerator
  /// The steps that are trained, and where TempFlow's trunks branch.
  package var trainedSteps: BranchSteps
  /// S, initial noises per prompt.
  package var seedsPerPrompt: Int
  /// K, branches of one (trunk, step); Flow-GRPO makes S·K samples of a prompt instead.
  package var branches: Int
  /// Latents of one model call at most.
  package var microBatch: Int
  /// Latents decoded to images at once; nil lets the memory budget decide.
  package var decodeMicroBatch: Int?
  /// Trunks that advance together; nil is all of an epoch. Bounds memory, and lets the samples of
  /// one part be scored while the next is made.
  package var trunksPerRolloutBatch: Int?

  /// Trunks (independent initial noises) of one prompt: S, or S·K for Flow-GRPO.
  package var trunksPerPrompt: Int {
    method == .tempflow ? seedsPerPrompt : seedsPerPrompt * branches
  }

  /// Steps trained in one epoch.
  package var trainedStepCount: Int { trainedSteps.count(stepCount: steps) }

  /// The stochastic step in the algorithm's terms.
  package var stochasticDynamics: Dynamics {
    switch dynamics {
    case .flowSDE: .flowSDE(noiseLevel: noiseLevel)
    case .cps: .cps(noiseLevel: noiseLevel)
    case .danceSDE: .danceSDE(eta: noiseLevel)
    }
  }

  /// The rollout in the algorithm's terms, over the model's own sigmas.
  ///
  /// - Throws: `RolloutPlanError` when a trained step adds no noise, say.
  package func rolloutPlan(_ schedule: FlowSchedule) throws(RolloutPlanError) -> RolloutPlan {
    let rollout: RolloutMethod =
      switch method {
      case .tempflow: .branching(branches: branches)
      case .flowGRPO: .flowGRPO
      case .flowGRPOFast: .flowGRPOFast
      }
    var plan = try RolloutPlan(
      schedule: schedule, dynamics: stochasticDynamics, method: rollout, steps: trainedSteps)
    plan.microBatch = microBatch
    plan.trunksPerBatch = trunksPerRolloutBatch ?? Int.max
    return plan
  }
}

extension SamplingRecipe {
  /// Reads the section; reports what is out of range or at odds.
  ///
  /// - Parameter defaults: of the model's family.
  init(_ section: RecipeSection, _ defaults: FlowModelDefaults) {
    method = section.choice("method", default: .tempflow)
    steps = section.int("steps", in: 2...1000)
    guidanceScale = section.double("guidance_scale", in: 1...100, default: defaults.guidanceScale)
    negativePrompt = section.string("negative_prompt", default: "")
    dynamics = section.choice("dynamics", default: .flowSDE)
    noiseLevel = section.double("noise_level", in: .above(0, through: 10), default: defaults.noiseLevel)
    if dynamics == .cps, noiseLevel >= 2 {
      section.report("noise_level", "must be below 2 with cps dynamics")
    }
    noiseGenerator = section.choice("noise_generator", default: .device)
    trainedSteps = BranchSteps(section, "trained_steps", trainable: steps - 1)
    seedsPerPrompt = section.int("seeds_per_prompt", in: 1...4096, default: 1)
    // One image alone has nothing to be compared with.
    branches = section.int("branches", in: (seedsPerPrompt == 1 ? 2 : 1)...4096)
    microBatch = section.int("micro_batch", in: 1...65536, default: 256)
    decodeMicroBatch = section.optional("decode_micro_batch", .int(in: 1...65536))
    trunksPerRolloutBatch = section.optional("trunks_per_rollout_batch", .int(in: 1...65536))
  }
}

extension BranchSteps {
  private enum Counted: String, CaseIterable {
    case first, sliding, random
  }

  /// `all`, a list of steps, or a section with one of `first`, `sliding`, `random`.
  ///
  /// - Parameter trainable: N-1; the last step is never trained.
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
          key, "must be all, a list of steps, or one of first: n, sliding: n, random: n")
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
      section.report(key, "needs exactly one of first, sliding, random")
      return .all
    }
    switch given[0] {
    case .first: return .first(counts[0])
    case .sliding: return .sliding(counts[0])
    case .random: return .random(counts[0])
    }
  }
}
