internal import DiffusionModels
package import Recipes
internal import Rewards

extension PretrainingRecipe {
  /// Reads a recipe file with the settings of `--set` applied.
  ///
  /// - Throws: all errors of the file, with file, line and column.
  package static func read(
    path: String, overrides: [String] = []
  ) throws(RecipeError) -> Recipe<PretrainingRecipe> {
    let document = try RecipeDocument(path: path, overrides: overrides)
    try document.check(.pretraining)
    return try document.read(renamed: .pretraining, PretrainingRecipe.init)
  }

  /// Reads the root section and reports all errors.
  package init(_ root: RecipeSection) {
    evidence = root.annotation("evidence", .choice(RecipeEvidence.self))
    output = root.path("output")
    seed = UInt64(root.int("seed", in: 0...Int.max, default: 0))
    threads = root.optional("threads", .int(in: 1...1024))
    let families = FlowModelRegistry.pretrainableFamilies
    pipeline = root.string("pipeline", default: families[0].classNames[0])
    let family = FlowModelRegistry.pretrainable(pipeline)
    data = PretrainingDataRecipe(root.section("data"))
    autoencoder = AutoencoderRecipe(root.section("autoencoder"))
    textEncoder = TextEncoderShape(
      root.section("text_encoder"), isProjected: family?.hasTextProjection ?? true)
    let transformerSection = root.section("transformer")
    transformer = TransformerRecipe(transformerSection)
    let isGuided = family?.isPretrainedWithGuidance ?? true
    flow = FlowRecipe(root.section("flow"), isGuided: isGuided)
    evaluation = PretrainingEvaluationRecipe(root.section("evaluation"), isGuided: isGuided)
    guard let family else {
      let known = families.flatMap { $0.classNames }
      root.report("pipeline", "must be one of \(known.joined(separator: ", ")), found \(pipeline)")
      return
    }
    if family.takesSource(pipeline) != data.task.hasSources {
      root.report(
        "pipeline",
        "\(pipeline) \(data.task.hasSources ? "takes no" : "takes a") source image, and "
          + "data.task is \(data.task.rawValue)")
    }
    if let fault = family.fault(of: transformerShape(latentSide: 2), textEncoder) {
      transformerSection.report(fault.key, fault.reason)
    }
  }

  /// The family of ``pipeline``.
  var family: any PretrainableModel.Type {
    guard let family = FlowModelRegistry.pretrainable(pipeline) else {
      preconditionFailure("\(pipeline) passed the recipe's check")
    }
    return family
  }
}

extension PretrainingDataRecipe {
  init(_ section: RecipeSection) {
    task = section.choice("task", default: .shapes)
    prompts = section.path("prompts")
    images = section.int("images", in: 1...10_000_000)
  }
}

extension StageRecipe {
  init(_ section: RecipeSection) {
    steps = section.int("steps", in: 1...10_000_000)
    batch = section.int("batch", in: 1...65536)
    learningRate = section.double("learning_rate", in: .above(0, through: 1))
    warmupSteps = section.int("warmup_steps", in: 0...1_000_000, default: 100)
    finalShare = section.double("final_learning_rate_share", in: 0...1, default: 0.05)
    weightDecay = section.double("weight_decay", in: 0...1, default: 0.01)
    maxGradNorm = section.double("max_grad_norm", in: .above(0), default: 1)
  }
}

extension AutoencoderRecipe {
  init(_ section: RecipeSection) {
    channels = section.list("channels", of: .int(in: 1...4096), count: 1...6)
    latentChannels = section.int("latent_channels", in: 1...64, default: 4)
    layersPerBlock = section.int("layers_per_block", in: 1...8, default: 1)
    normGroups = section.int("norm_groups", in: 1...256, default: 8)
    stage = StageRecipe(section)
    mseWeight = section.double("mse_weight", in: 0...1000, default: 4)
    klWeight = section.double("kl_weight", in: 0...1, default: 1e-4)
    for channels in channels where channels % normGroups != 0 {
      section.report("channels", "\(channels) is not a multiple of norm_groups, \(normGroups)")
    }
  }
}

extension TextEncoderShape {
  init(_ section: RecipeSection, isProjected: Bool) {
    self.init(
      width: section.int("width", in: 1...4096), layers: section.int("layers", in: 1...64),
      heads: section.int("heads", in: 1...64),
      projection: isProjected ? section.int("projection", in: 1...4096) : nil,
      tokens: section.int("tokens", in: 3...512),
      merges: section.int("merges", in: 0...100_000, default: 200))
    if width % heads != 0 {
      section.report("width", "\(width) is not a multiple of heads, \(heads)")
    }
  }
}

extension TransformerRecipe {
  init(_ section: RecipeSection) {
    layers = section.int("layers", in: 1...128)
    singleLayers = section.int("single_layers", in: 0...128, default: 0)
    heads = section.int("heads", in: 1...128)
    headWidth = section.int("head_width", in: 1...256)
    patch = section.int("patch", in: 1...16, default: 2)
  }
}

/// Why settings of guidance have no effect.
private let noGuidance = "the pipeline is trained without guidance"

extension FlowRecipe {
  init(_ section: RecipeSection, isGuided: Bool) {
    stage = StageRecipe(section)
    captionDropout =
      isGuided ? section.double("caption_dropout", in: 0...1, default: 0.1) : 0
    if !isGuided { section.unused("caption_dropout", because: noGuidance) }
    logitMean = section.double("logit_mean", in: -10...10, default: 0)
    logitStd = section.double("logit_std", in: .above(0, through: 10), default: 1)
    emaDecay = section.double("ema_decay", in: 0..<1, default: 0.999)
    shift = section.double("shift", in: .above(0, through: 100), default: 1)
    shiftTerminal = section.optional("shift_terminal", .double(in: .above(0, through: 0.9)))
  }
}

extension PretrainingEvaluationRecipe {
  init(_ section: RecipeSection, isGuided: Bool) {
    prompts = section.path("prompts")
    every = section.int("every", in: 1...)
    count = section.int("count", in: 1...)
    steps = section.int("steps", in: 1...1000)
    guidanceScale =
      isGuided ? section.double("guidance_scale", in: 0...100, default: 1) : 1
    if !isGuided { section.unused("guidance_scale", because: noGuidance) }
    seed = UInt64(section.int("seed", in: 0...Int.max, default: 1))
    samples = section.optional("samples", .path)
  }
}
