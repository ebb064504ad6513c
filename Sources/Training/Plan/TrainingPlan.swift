internal import DiffusionModels
internal import TempFlow

/// What a training run will do, worked out before anything is loaded.
///
/// Read: the recipe, the prompt files, the model's configuration files and the headers of its
/// weights. "Sample evaluations" are rows given to the network, which decide the time; guidance
/// other than 1 doubles them.
package struct TrainingPlan: Encodable, Sendable, Equatable {
  /// Of one epoch; rollouts of equal shape, so every epoch costs the same but for `rotating` and
  /// `sampled` steps, which are counted exactly in `TrainingPlan.total`.
  package struct Work: Encodable, Sendable, Equatable {
    /// Calls of the network without gradients.
    package var rolloutCalls = 0
    /// Rows of those calls, guidance included.
    package var rolloutEvaluations = 0
    /// Rows without guidance.
    package var rolloutEvaluationsUnguided = 0
    /// Latents decoded to images.
    package var decodes = 0
    /// Scores asked of all rewards together.
    package var rewards = 0
    /// Calls of the network with gradients, forward and backward, at most.
    package var learningCalls = 0
    /// Rows of those calls, guidance included, at most.
    package var learningEvaluations = 0
    /// Rows for a reference network or a recomputed log-probability.
    package var referenceEvaluations = 0
    /// Optimizer updates.
    package var updates = 0
  }

  /// Prompts in the training file.
  package var trainingPrompts: Int
  /// Prompts evaluated.
  package var evaluationPrompts: Int
  package var promptsPerEpoch: Int
  /// Times the whole training file is used.
  package var passes: Double
  package var trunksPerEpoch: Int
  /// (trunk, step) pairs of one epoch.
  package var trainingSamplesPerEpoch: Int
  package var samplesPerUpdate: Int
  /// What rewards are compared within.
  package var groupKind: String
  package var groupsPerEpoch: Int
  package var rowsPerGroup: Int
  package var epochs: Int
  package var firstEpoch: Work
  package var total: Work
  /// Evaluations of the whole run.
  package var evaluations: Int
  /// Rows given to the network for all evaluations, guidance included.
  package var evaluationEvaluations: Int
  /// Numbers that learn.
  package var learnedParameters: Int
  /// Bytes of the encoded prompts of the run on disk.
  package var promptCacheBytes: Int
  /// Floating-point operations of the transformer in the whole run, evaluations included.
  package var transformerFlops: Double
  package var memory: MemoryPlan
  /// What would lower the peak of memory; empty while it lies within the budget.
  package var memoryAdvice: [MemoryAdvice]
  /// Seconds after which no further epoch begins.
  package var timeLimit: Double?
}

extension TrainingPlan {
  /// Works out a recipe.
  ///
  /// - Throws: `TrainingError` when the numbers do not fit together, or when a prompt file or the
  ///   model's configuration cannot be read.
  package init(_ recipe: TrainingRecipe) throws(TrainingError) {
    let sampling = recipe.sampling
    let counts = try PromptCounts(recipe)
    let model = try FlowModelMetadata(recipe)
    let split = UpdateSplit(
      samples: recipe.trainingSamplesPerEpoch, updates: recipe.optimizer.updatesPerEpoch,
      microBatch: recipe.optimizer.microBatch, seed: recipe.seed)
    trainingPrompts = counts.training
    evaluationPrompts = counts.evaluation
    promptsPerEpoch = recipe.prompts.perEpoch
    passes = Double(promptsPerEpoch * recipe.epochs) / Double(counts.training)
    trunksPerEpoch = promptsPerEpoch * sampling.trunksPerPrompt
    trainingSamplesPerEpoch = recipe.trainingSamplesPerEpoch
    samplesPerUpdate = split.samplesPerUpdate
    (groupKind, groupsPerEpoch, rowsPerGroup) = Self.groups(recipe)
    epochs = recipe.epochs
    let work = (0..<recipe.epochs).map { Work(recipe, split, epoch: $0) }
    firstEpoch = work[0]
    total = work.dropFirst().reduce(work[0], +)
    evaluations = recipe.evaluationEpochs.count
    evaluationEvaluations =
      evaluations * counts.evaluation * recipe.evaluation.steps
      * recipe.evaluationGuidance.rowsPerSample
    learnedParameters = model.trainableParameters
    promptCacheBytes =
      Self.promptCount(recipe, counts) * model.cachedPromptElements * recipe.dtype.byteCount
    transformerFlops =
      model.work.forward
      * Double(total.rolloutEvaluations + total.referenceEvaluations + evaluationEvaluations)
      + model.work.training * Double(total.learningEvaluations)
    memory = MemoryPlan(recipe, model, evaluationPrompts: counts.evaluation)
    memoryAdvice =
      memory.excess == nil
      ? [] : MemoryAdvice.all(recipe, model, memory, evaluationPrompts: counts.evaluation)
    timeLimit = recipe.timeLimit
  }

  /// Prompts that the run encodes: those of its epochs, the held-out ones, the negative one.
  private static func promptCount(_ recipe: TrainingRecipe, _ counts: PromptCounts) -> Int {
    let order = PromptOrder(
      count: counts.training, promptsPerEpoch: recipe.prompts.perEpoch, seed: recipe.seed)
    let needsNegative = recipe.guidance.needsNegative || recipe.evaluationGuidance.needsNegative
    return order.used(epochs: recipe.epochs).count + counts.evaluation + (needsNegative ? 1 : 0)
  }

  /// Hours of one GPU for the transformer alone, at so many floating-point operations per second.
  package func gpuHours(flopsPerSecond: Double) -> Double {
    transformerFlops / flopsPerSecond / 3600
  }

  private static func groups(_ recipe: TrainingRecipe) -> (String, Int, Int) {
    let steps = recipe.sampling.trainedStepCount
    let prompts = recipe.prompts.perEpoch
    let perPrompt = recipe.sampling.seedsPerPrompt * recipe.sampling.branches
    switch recipe.advantage.group {
    case .seed:
      return ("seed", prompts * recipe.sampling.seedsPerPrompt * steps, recipe.sampling.branches)
    case .prompt: return ("prompt", prompts * steps, perPrompt)
    case .batch: return ("batch", prompts * steps, perPrompt)
    }
  }
}

extension TrainingRecipe {
  /// Epochs completed at each evaluation: the start, every so many epochs, and the end.
  package var evaluationEpochs: [Int] {
    let regular = Array(stride(from: 0, through: epochs, by: evaluation.every))
    return regular.last == epochs ? regular : regular + [epochs]
  }
}

extension TrainingPlan.Work {
  /// What one epoch does, following the wavefront step by step.
  init(_ recipe: TrainingRecipe, _ split: UpdateSplit, epoch: Int) {
    let sampling = recipe.sampling
    let trunks = recipe.prompts.perEpoch * sampling.trunksPerPrompt
    let steps = sampling.trainedSteps.steps(
      stepCount: sampling.steps, run: recipe.seed, epoch: epoch)
    let guided = recipe.guidance.rowsPerSample
    let front = min(trunks, sampling.trunksPerRolloutBatch ?? trunks)
    let fronts = (trunks + front - 1) / front
    for index in 0..<fronts {
      let size = trunks * (index + 1) / fronts - trunks * index / fronts
      for rows in Self.rows(sampling, steps, trunks: size) {
        rolloutCalls += (rows + sampling.microBatch - 1) / sampling.microBatch
        rolloutEvaluationsUnguided += rows
      }
    }
    rolloutEvaluations = rolloutEvaluationsUnguided * guided
    decodes =
      sampling.method == .tempflow ? trunks * steps.count * sampling.branches : trunks
    rewards = decodes * recipe.rewards.count
    updates = split.updates
    learningCalls = split.updates * split.microBatchesPerUpdate
    learningEvaluations = split.samples * guided
    // The first update's old log-probabilities are those of its own forward pass.
    let recomputed =
      recipe.loss.oldLogProb == .recomputed ? split.samples - split.samplesPerUpdate : 0
    let pulled = recipe.loss.objective.klBeta > 0 ? split.samples : 0
    referenceEvaluations = (recomputed + pulled) * guided
  }

  /// Rows at each denoising step: the trunks until they have branched for the last time, and all
  /// branches branched before.
  private static func rows(
    _ sampling: SamplingRecipe, _ steps: [Int], trunks: Int
  ) -> [Int] {
    guard sampling.method == .tempflow else {
      return Array(repeating: trunks, count: sampling.steps)
    }
    return (0..<sampling.steps).map { step in
      let branched = steps.filter { $0 < step }.count * sampling.branches
      return trunks * (branched + (step <= (steps.last ?? -1) ? 1 : 0))
    }
  }

  static func + (first: Self, second: Self) -> Self {
    var sum = first
    sum.rolloutCalls += second.rolloutCalls
    sum.rolloutEvaluations += second.rolloutEvaluations
    sum.rolloutEvaluationsUnguided += second.rolloutEvaluationsUnguided
    sum.decodes += second.decodes
    sum.rewards += second.rewards
    sum.learningCalls += second.learningCalls
    sum.learningEvaluations += second.learningEvaluations
    sum.referenceEvaluations += second.referenceEvaluations
    sum.updates += second.updates
    return sum
  }
}

/// How many prompts the files hold, checked against what the recipe wants.
private struct PromptCounts {
  var training: Int
  var evaluation: Int

  init(_ recipe: TrainingRecipe) throws(TrainingError) {
    let rewards = recipe.allRewards
    let images = try ofModel { () throws(PipelineError) in
      try FlowModelRegistry.family(of: recipe.model).defaults.conditionImages
    }
    training = try PromptList.read(
      recipe.prompts.train, for: rewards, conditionImages: images
    ).count
    evaluation = try PromptList.read(
      recipe.prompts.evaluation, for: rewards, conditionImages: images
    ).count
    guard recipe.prompts.perEpoch <= training else {
      throw .arithmetic(
        "prompts.per_epoch is \(recipe.prompts.perEpoch) but \(recipe.prompts.train) holds "
          + "\(training) prompts; use at most \(training)")
    }
    if let wanted = recipe.evaluation.prompts {
      guard wanted <= evaluation else {
        throw .arithmetic(
          "evaluation.prompts is \(wanted) but \(recipe.prompts.evaluation) holds \(evaluation) "
            + "prompts; use at most \(evaluation)")
      }
      evaluation = wanted
    }
  }
}
