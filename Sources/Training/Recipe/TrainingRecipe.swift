package import DiffusionModels
package import FlowMatching
package import Recipes
package import Rewards
package import TempFlow
package import Torch

/// All settings of a training run, read from one strict YAML file.
///
/// The keys are documented in `docs/recipes.md`. Two runs with equal recipes on one kind of machine
/// are equal bit for bit, unless `time_limit` ends them.
package struct TrainingRecipe: Sendable, Equatable {
  /// The evidence that the recipe works; nil if the file has none.
  package var evidence: RecipeEvidence?
  /// A diffusers folder.
  package var model: String
  /// How the model's family applies a guidance scale.
  package var guidanceKind: FlowModelDefaults.GuidanceKind
  /// The variant of the weights, such as `fp16`, for components that have it; nil reads the plain
  /// ones.
  package var variant: String?
  /// The size of images; nil is a square of the transformer's sample size.
  package var resolution: ImageSize?
  /// Tokens of a prompt for T5, or the number of zero rows in their place.
  package var maxSequenceLength: Int
  /// The folder of encoded prompts; nil means the user's cache.
  package var promptCache: String?
  package var learning: LearningRecipe
  package var prompts: PromptRecipe
  package var rewards: [RewardRecipe]
  /// The rewards that are scored on evaluation images and not trained on.
  package var heldOutRewards: [HeldOutReward]
  /// The maximum share of missing scores of a reward in an epoch or an evaluation, 0...1; beyond it
  /// the run stops.
  package var maxMissingScores: Double
  package var sampling: SamplingRecipe
  package var advantage: AdvantageRecipe
  package var loss: LossRecipe
  package var optimizer: OptimizerRecipe
  package var ema: EMARecipe
  /// Number of epochs; each is one rollout and its updates.
  package var epochs: Int
  /// Seconds of rollout and updates (without evaluations and checkpoints) after which no further
  /// epoch begins; nil is no limit.
  package var timeLimit: Double?
  package var evaluation: EvaluationRecipe
  package var checkpoints: CheckpointRecipe
  /// Seed of prompts, noise, adapters and the split into updates.
  package var seed: UInt64
  /// Processor threads of one operator; nil leaves libtorch's choice.
  package var threads: Int?
  package var device: Device
  /// Precision of the network's frozen weights; trainable parameters are always float32.
  package var dtype: DType
  package var memory: MemoryRecipe
}

/// The prompt files: the `prompts` section.
package struct PromptRecipe: Sendable, Equatable {
  /// A prompt file for training; see `PromptList`.
  package var train: String
  /// A file of held-out prompts.
  package var evaluation: String
  /// P, prompts of one epoch.
  package var perEpoch: Int
}

/// The schedule and settings of evaluations: the `evaluation` section.
package struct EvaluationRecipe: Sendable, Equatable {
  /// Epochs from one evaluation to the next; the start and the end are always evaluated.
  package var every: Int
  /// The number of held-out prompts, from the first; nil means all.
  package var prompts: Int?
  /// Denoising steps.
  package var steps: Int
  package var guidanceScale: Double
  /// Seed of the initial noise; the same for every evaluation of every run.
  package var seed: UInt64
  /// Tiles of a sample grid.
  package var samples: Int
}

/// The schedule of checkpoints: the `checkpoints` section.
package struct CheckpointRecipe: Sendable, Equatable {
  /// Epochs from one checkpoint to the next.
  package var every: Int
  /// Number of checkpoints on disk; older ones are removed.
  package var keep: Int
}

extension TrainingRecipe {
  /// Reads a recipe file with the settings of `--set` applied.
  ///
  /// - Throws: all errors of the file, with file, line and column.
  package static func read(
    path: String, overrides: [String] = []
  ) throws(RecipeError) -> Recipe<TrainingRecipe> {
    try read(RecipeDocument(path: path, overrides: overrides))
  }

  /// Reads an opened document.
  ///
  /// - Throws: all errors of the file, with file, line and column.
  package static func read(
    _ document: RecipeDocument
  ) throws(RecipeError) -> Recipe<TrainingRecipe> {
    try document.read(renamed: .training) { TrainingRecipe($0) }
  }

  /// Reads the root section; reports all errors and all settings without effect.
  init(_ root: RecipeSection) {
    evidence = root.annotation("evidence", .choice(RecipeEvidence.self))
    model = root.path("model")
    let defaults = FlowModelDefaults.of(model, root)
    guidanceKind = defaults.guidance
    variant = root.optional("variant", .string)
    resolution = ImageSize(root, "resolution")
    maxSequenceLength = root.int(
      "max_sequence_length", in: defaults.sequenceLengths, default: defaults.maxSequenceLength)
    promptCache = root.optional("prompt_cache", .path)
    learning = LearningRecipe(root, defaultTargets: defaults.loraTargets)
    prompts = PromptRecipe(root.section("prompts"))
    device = DeviceName.read(root, default: .cpu)
    rewards = RewardRecipe.list(root, device: device)
    heldOutRewards = HeldOutReward.list(root, device: device)
    maxMissingScores = root.double("max_missing_scores", in: 0...1, default: 0.1)
    let samplingSection = root.section("sampling")
    sampling = SamplingRecipe(samplingSection, defaults)
    advantage = AdvantageRecipe(
      root.section("advantage"), sampling: sampling, rewardCount: rewards.count)
    sampling.checkGroups(samplingSection, advantage)
    dtype = root.choice("dtype", default: PrecisionName.float32).dtype
    loss = LossRecipe(
      root.section("loss"), dtype: dtype, sampling: sampling, advantage: advantage)
    samplingSection.warnOfUnknown(defaults.knownSettings, sampling, loss)
    optimizer = OptimizerRecipe(root.section("optimizer"))
    let emaSection = root.section("ema")
    ema = EMARecipe(emaSection)
    epochs = root.int("epochs", in: 1...1_000_000)
    let updates = epochs * optimizer.updatesPerEpoch
    if updates < ema.updateEvery {
      emaSection.warn(
        "update_every",
        "the run has \(updates) optimizer \(updates == 1 ? "update" : "updates"), fewer than "
          + "\(ema.updateEvery), so the average stays as it is before training, and so do "
          + "evaluations and the result; set at most \(updates)")
    }
    timeLimit = root.optional("time_limit", .double(in: .above(0, through: 1e9)))
    evaluation = EvaluationRecipe(root.section("evaluation"), sampling: sampling, defaults)
    let scales = [sampling.guidanceScale, evaluation.guidanceScale]
    if sampling.negativePrompt != defaults.negativePrompt,
      scales.allSatisfy({ !defaults.guidance(scale: $0).needsNegative })
    {
      samplingSection.warn(
        "negative_prompt",
        defaults.guidance.hasNegative
          ? "has no effect: guidance_scale is 1"
          : "has no effect: the model has no classifier-free guidance")
    }
    checkpoints = CheckpointRecipe(root.section("checkpoints"))
    seed = UInt64(root.int("seed", in: 0...Int.max, default: 0))
    threads = root.optional("threads", .int(in: 1...1024))
    memory = MemoryRecipe(root, learning)
    if learning == .full, dtype != .float32 {
      root.report(
        "dtype", "must be float32 when every weight is trained; small updates are lost below")
    }
    // The kind of a missing model's guidance is not known.
    if loss.forward != nil, guidance.needsNegative, FlowModelRegistry.contains(modelIn: model) {
      samplingSection.report(
        "guidance_scale",
        "a loss on finished samples trains one velocity, not a guided one; set 1, without guidance")
    }
    reportArithmetic(root)
  }

  /// Device and precision of the networks.
  package var placement: Placement {
    Placement(
      device: device, dtype: dtype, variant: variant, autoencoderDType: memory.autoencoderDType,
      quantization: memory.quantizeBase, offload: memory.offload)
  }

  /// The model with its loading options.
  package var source: ModelSource {
    ModelSource(
      folder: model, placement: placement, imageSize: resolution,
      maxSequenceLength: maxSequenceLength)
  }

  /// The settings of prompt encoding.
  package var textSettings: PromptCache.Settings {
    PromptCache.Settings(source, folder: promptCache)
  }

  /// The guidance of the rollout and the update.
  package var guidance: Guidance { guidance(sampling.guidanceScale) }

  /// The guidance of evaluations.
  package var evaluationGuidance: Guidance { guidance(evaluation.guidanceScale) }

  /// Whether the rollout or evaluations need the negative prompt.
  var needsNegative: Bool { guidance.needsNegative || evaluationGuidance.needsNegative }

  private func guidance(_ scale: Double) -> Guidance {
    FlowModelDefaults.guidance(guidanceKind, scale: scale)
  }

  /// The trainable weights of the transformer.
  package var trainableWeights: TrainableWeights {
    learning.adapters.map { .adapters($0) } ?? .full
  }

  /// Trained rewards, then held-out rewards.
  package var allRewards: [RewardEntry] { rewards.map(\.reward) + heldOutRewards.map(\.reward) }

  /// Whether a rollout makes and scores the trunks' own images.
  package var finishesTrunks: Bool { advantage.baseline == .trunk }

  /// The rollout plan of `TempFlow`, over the model's own sigmas.
  ///
  /// - Throws: `RolloutPlanError`, for example if a trained step adds no noise.
  package func rolloutPlan(_ schedule: FlowSchedule) throws(RolloutPlanError) -> RolloutPlan {
    var plan = try sampling.rolloutPlan(schedule)
    plan.finishesTrunks = finishesTrunks
    return plan
  }

  /// Training samples, (trunk, step), of one epoch, shared among the updates.
  package var trainingSamplesPerEpoch: Int {
    prompts.perEpoch * sampling.trunksPerPrompt
      * sampling.trainedStepCount
  }

  private func reportArithmetic(_ root: RecipeSection) {
    let updates = optimizer.updatesPerEpoch
    guard trainingSamplesPerEpoch % updates != 0 else { return }
    let steps = sampling.trainedStepCount
    let trunks = sampling.trunksPerPrompt
    let divisors = (1...max(1, min(trainingSamplesPerEpoch, 2 * updates))).filter {
      trainingSamplesPerEpoch % $0 == 0
    }
    let nearest = divisors.sorted { abs($0 - updates) < abs($1 - updates) }.prefix(3).sorted()
    let unit = updates / greatestCommonDivisor(updates, trunks * steps)
    let below = prompts.perEpoch / unit * unit
    let counts = [below, below + unit].filter { $0 > 0 }
    root.report(
      "optimizer",
      "updates_per_epoch \(updates) does not divide the \(trainingSamplesPerEpoch) training "
        + "samples of an epoch (\(prompts.perEpoch) prompts x \(trunks) trunks x \(steps) steps); "
        + "\(nearest.map(String.init).joined(separator: ", ")) updates would, or "
        + "prompts.per_epoch \(counts.map(String.init).joined(separator: " or "))")
  }
}

extension RecipeSection {
  /// Warns of a guidance scale that a model does not have.
  func warnOfNoGuidance(_ scale: Double, _ defaults: FlowModelDefaults) {
    guard defaults.guidance == .none, scale != 1 else { return }
    warn("guidance_scale", "has no effect: the model has no guidance")
  }

  /// Warns of settings without evidence, for a model that has some.
  fileprivate func warnOfUnknown(
    _ known: [KnownTrainingSetting], _ sampling: SamplingRecipe, _ loss: LossRecipe
  ) {
    let isKnown = known.contains {
      $0.covers(
        steps: sampling.steps, dynamics: sampling.stochasticDynamics,
        trainedSteps: sampling.trainedSteps.candidates(stepCount: sampling.steps),
        clipRange: [loss.objective.clipRange.low, loss.objective.clipRange.high])
    }
    guard !known.isEmpty, !isKnown, sampling.method != .ode else { return }
    warn(
      "steps",
      "no run of this model is known to have learned with these steps, noise_level, trained_steps "
        + "and clip_range; known are: " + known.map(\.text).joined(separator: "; "))
  }
}

extension FlowModelDefaults {
  /// The defaults of the model's family; for a missing folder, those of the first family, with all
  /// lengths of a prompt that a family has: who uses the recipe says what is wrong with the folder.
  fileprivate static func of(_ folder: String, _ root: RecipeSection) -> FlowModelDefaults {
    let families = FlowModelRegistry.all.map { $0.defaults }
    var first = families[0]
    guard FlowModelRegistry.contains(modelIn: folder) else {
      first.sequenceLengths = 1...(families.map(\.sequenceLengths.upperBound).max() ?? 1)
      return first
    }
    do throws(PipelineError) {
      return try FlowModelRegistry.defaults(of: folder)
    } catch {
      root.report("model", error.description)
      return first
    }
  }
}

func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int {
  b == 0 ? a : greatestCommonDivisor(b, a % b)
}

extension ImageSize {
  /// `512`, a square, or `[H, W]`, in pixels; nil when it is not given.
  fileprivate init?(_ root: RecipeSection, _ key: String) {
    let sides = 1...65_536
    if root.shape(of: key) == .list {
      let size = root.list(key, of: .int(in: sides), count: 2...2)
      self.init(height: size[0], width: size[1])
    } else if let side = root.optional(key, .int(in: sides)) {
      self.init(height: side, width: side)
    } else {
      return nil
    }
  }
}

extension PromptRecipe {
  init(_ section: RecipeSection) {
    train = section.path("train")
    evaluation = section.path("evaluation")
    perEpoch = section.int("per_epoch", in: 1...1_000_000)
  }
}

extension EvaluationRecipe {
  init(_ section: RecipeSection, sampling: SamplingRecipe, _ defaults: FlowModelDefaults) {
    every = section.int("every", in: 1..., default: 10)
    prompts = section.optional("prompts", .int(in: 1...))
    steps = section.int("steps", in: 1...1000, default: sampling.steps)
    guidanceScale = section.double(
      "guidance_scale", in: 1...100, default: sampling.guidanceScale)
    section.warnOfNoGuidance(guidanceScale, defaults)
    seed = UInt64(section.int("seed", in: 0...Int.max, default: 1))
    samples = section.int("samples", in: 1...4096, default: 24)
  }
}

extension CheckpointRecipe {
  init(_ section: RecipeSection) {
    every = section.int("every", in: 1..., default: 10)
    keep = section.int("keep", in: 2...1000, default: 2)
  }
}
