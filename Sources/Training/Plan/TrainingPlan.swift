internal import DiffusionModels
internal import Rewards
internal import TempFlow
internal import Torch
internal import TorchNN

/// The work of a training run, computed before a model is loaded.
///
/// The inputs are the recipe, the prompt files, the model's configuration files and the headers of
/// its weights. NFE counts rows of network calls, which determine the time; classifier-free
/// guidance doubles it.
package struct TrainingPlan: Encodable, Sendable, Equatable {
  /// The work of one epoch. Epochs differ where the trained steps change, and with a lagging old
  /// policy, which the first update of a run does not evaluate; `TrainingPlan.total` counts
  /// exactly.
  package struct Work: Encodable, Sendable, Equatable {
    /// Calls of the network without gradients.
    package var rolloutCalls = 0
    /// Rows of those calls, including guidance.
    package var rolloutEvaluations = 0
    /// Rows without guidance.
    package var rolloutEvaluationsUnguided = 0
    /// Latents decoded to images.
    package var decodes = 0
    /// Scores by all rewards together.
    package var rewards = 0
    /// Calls of the network with gradients, forward and backward, at most.
    package var learningCalls = 0
    /// Rows of those calls, including guidance, at most.
    package var learningEvaluations = 0
    /// Rows of a reference network, of an old policy or of recomputed log-probabilities.
    package var referenceEvaluations = 0
    /// Optimizer updates.
    package var updates = 0

    private enum CodingKeys: String, CodingKey {
      case decodes, rewards, updates
      case rolloutCalls = "rollout_calls"
      case rolloutEvaluations = "rollout_nfe"
      case rolloutEvaluationsUnguided = "rollout_nfe_without_guidance"
      case learningCalls = "learning_calls"
      case learningEvaluations = "learning_nfe"
      case referenceEvaluations = "reference_nfe"
    }
  }

  /// Prompts in the training file.
  package var trainingPrompts: Int
  /// Prompts evaluated.
  package var evaluationPrompts: Int
  package var promptsPerEpoch: Int
  /// Passes over the training file.
  package var passes: Double
  package var trunksPerEpoch: Int
  /// Training samples, (trunk, step), of one epoch.
  package var trainingSamplesPerEpoch: Int
  package var samplesPerUpdate: Int
  /// What is subtracted from rewards, and the deviation that divides, by their names in a recipe.
  package var baseline, scale: String
  /// The groups of the baseline; with the trunk's, the branches of one (trunk, step).
  package var groupsPerEpoch: Int
  package var rowsPerGroup: Int
  package var epochs: Int
  package var firstEpoch: Work
  package var total: Work
  /// Number of evaluations of the whole run.
  package var evaluations: Int
  /// Rows of network calls of all evaluations, including guidance.
  package var evaluationEvaluations: Int
  /// Scores of all evaluations, of the trained and the held-out rewards.
  package var evaluationScores: Int
  /// Number of trainable parameters.
  package var trainableParameters: Int
  /// The number of linear layers without an adapter, by path with `*` for a block's index; empty
  /// when every weight is trained.
  package var layersWithoutAdapters: [String: Int]
  /// Bytes of the run's encoded prompts on disk.
  package var promptCacheBytes: Int
  /// Floating-point operations of the transformer in the whole run, evaluations and the second
  /// forward passes of gradient checkpointing included.
  package var transformerFlops: Double
  package var memory: MemoryPlan
  /// The settings that lower the peak of memory; empty if it lies within the budget.
  package var memoryAdvice: [MemoryAdvice]
  /// What fits the memory budget with other storage of the frozen weights and at other sizes; empty
  /// without a budget, and where every weight is trained.
  package var fits: [StorageFit]
  /// Seconds after which no further epoch begins; nil is no limit.
  package var timeLimit: Double?
  /// What each of several processes does; nil for one.
  package var processes: ProcessPlan?

  private enum CodingKeys: String, CodingKey {
    case passes, baseline, scale, epochs, total, evaluations, memory, fits, processes
    case trainingPrompts = "training_prompts"
    case evaluationPrompts = "evaluation_prompts"
    case promptsPerEpoch = "prompts_per_epoch"
    case trunksPerEpoch = "trunks_per_epoch"
    case trainingSamplesPerEpoch = "training_samples_per_epoch"
    case samplesPerUpdate = "samples_per_update"
    case groupsPerEpoch = "groups_per_epoch"
    case rowsPerGroup = "group_size"
    case firstEpoch = "first_epoch"
    case evaluationEvaluations = "evaluation_nfe"
    case evaluationScores = "evaluation_scores"
    case trainableParameters = "trainable_parameters"
    case layersWithoutAdapters = "layers_without_adapters"
    case promptCacheBytes = "prompt_cache_bytes"
    case transformerFlops = "transformer_flops"
    case memoryAdvice = "memory_advice"
    case timeLimit = "time_limit"
  }
}

extension TrainingPlan {
  /// Computes the plan of a recipe.
  ///
  /// - Parameters:
  ///   - processes: that train together. Memory is that of one of them.
  ///   - hosts: the machines they run on, a divisor of `processes`.
  /// - Throws: `TrainingError` if the numbers do not fit together, or if a prompt file or the
  ///   model's configuration is unreadable.
  package init(
    _ recipe: TrainingRecipe, processes: Int = 1, hosts: Int = 1
  ) throws(TrainingError) {
    try recipe.check(processes: processes)
    let sampling = recipe.sampling
    let counts = try PromptCounts(recipe)
    let model = try FlowModelMetadata(recipe)
    let split = UpdateSplit(recipe)
    trainingPrompts = counts.training
    evaluationPrompts = counts.evaluation
    promptsPerEpoch = recipe.prompts.perEpoch
    passes = Double(promptsPerEpoch * recipe.epochs) / Double(counts.training)
    trunksPerEpoch = promptsPerEpoch * sampling.trunksPerPrompt
    trainingSamplesPerEpoch = recipe.trainingSamplesPerEpoch
    samplesPerUpdate = split.samplesPerUpdate
    baseline = recipe.advantage.baseline.rawValue
    scale = recipe.advantage.scale.rawValue
    (groupsPerEpoch, rowsPerGroup) = Self.groups(recipe)
    epochs = recipe.epochs
    let work = (0..<recipe.epochs).map { Work(recipe, split, epoch: $0) }
    firstEpoch = work[0]
    total = work.dropFirst().reduce(work[0], +)
    evaluations = recipe.evaluationEpochs.count
    evaluationEvaluations =
      evaluations * counts.evaluation * recipe.evaluation.steps
      * recipe.evaluationGuidance.rowsPerSample
    evaluationScores = evaluations * counts.evaluation * recipe.allRewards.count
    trainableParameters = model.trainableParameters
    layersWithoutAdapters = try Self.layersWithoutAdapters(recipe)
    let encodedPrompts = Self.promptCount(recipe, counts)
    promptCacheBytes =
      encodedPrompts * model.cachedPromptElements * recipe.dtype.byteCount
    transformerFlops =
      recipe.flops(total, model.work) + model.work.forward * Double(evaluationEvaluations)
    let withRewards = recipe.countingRewards(processesPerHost: processes / hosts)
    let budgeted = withRewards.budgeted(processesPerHost: processes / hosts)
    memory = MemoryPlan(
      budgeted, model, evaluationPrompts: counts.evaluation, processes: processes)
    memoryAdvice =
      memory.excess == nil
      ? []
      : MemoryAdvice.all(
        budgeted, model, memory, evaluationPrompts: counts.evaluation, processes: processes)
    fits = try StorageFit.all(
      withRewards, firstEpoch, evaluationPrompts: counts.evaluation, processes: processes)
    timeLimit = recipe.timeLimit
    if processes > 1 {
      self.processes = ProcessPlan(
        recipe, model, self, encodedPrompts: encodedPrompts, count: processes, hosts: hosts)
    }
  }

  private static func layersWithoutAdapters(
    _ recipe: TrainingRecipe
  ) throws(TrainingError) -> [String: Int] {
    guard let adapters = recipe.learning.adapters else { return [:] }
    let layers = try ofModel { () throws(PipelineError) in
      try FlowModelRegistry.family(of: recipe.model).linearLayers(of: recipe.model)
    }
    let names = layers.paths.filter { !adapters.adapts($0) }.map {
      $0.replacing(/\.[0-9]+\./, with: ".*.", maxReplacements: 1)
    }
    return Dictionary(names.map { ($0, 1) }, uniquingKeysWith: +)
  }

  /// Prompts that the run encodes: those of its epochs, the held-out ones, the negative one.
  private static func promptCount(_ recipe: TrainingRecipe, _ counts: PromptCounts) -> Int {
    let order = PromptOrder(
      count: counts.training, promptsPerEpoch: recipe.prompts.perEpoch, seed: recipe.seed)
    return order.used(epochs: recipe.epochs).count + counts.evaluation
      + (recipe.needsNegative ? 1 : 0)
  }

  /// GPU-hours of the transformer alone, for a rate in floating-point operations per second.
  package func gpuHours(flopsPerSecond: Double) -> Double {
    transformerFlops / flopsPerSecond / 3600
  }

  private static func groups(_ recipe: TrainingRecipe) -> (count: Int, rows: Int) {
    let (sampling, prompts) = (recipe.sampling, recipe.prompts.perEpoch)
    let steps = sampling.trainedStepCount
    switch recipe.advantage.baseline {
    case .seed, .trunk: return (prompts * sampling.seedsPerPrompt * steps, sampling.branches)
    case .prompt: return (prompts * steps, sampling.seedsPerPrompt * sampling.branches)
    }
  }
}

extension TrainingRecipe {
  /// Floating-point operations of one row of an update.
  func trainingFlops(_ row: NetworkWork) -> Double {
    row.training + (memory.gradientCheckpointing ? row.forward : 0)
  }

  /// Floating-point operations of the transformer in epochs, without evaluations.
  ///
  /// - Parameter row: of one row.
  func flops(_ work: TrainingPlan.Work, _ row: NetworkWork) -> Double {
    row.forward * Double(work.rolloutEvaluations + work.referenceEvaluations)
      + trainingFlops(row) * Double(work.learningEvaluations)
  }

  /// The recipe with the bytes of its rewards' networks that are on its device.
  func countingRewards(processesPerHost: Int) -> TrainingRecipe {
    var recipe = self
    recipe.memory.rewards = allRewards.reduce(0) { sum, reward in
      // Of several processes each has the GPU of its own, and its rewards are there.
      let isHere =
        processesPerHost > 1
        ? (reward.device == .cpu) == (device == .cpu) : reward.device == device
      return sum + (isHere ? reward.networkFiles?.bytes ?? 0 : 0)
    }
    return recipe
  }

  /// The recipe with its process's part of the host's memory as its budget, where it has none and
  /// the processes of a host compute on its CPU.
  func budgeted(processesPerHost: Int) -> TrainingRecipe {
    guard device == .cpu, processesPerHost > 1, memory.budget == nil else { return self }
    var recipe = self
    recipe.memory.budget = TorchRuntime.memory(of: .cpu).map { $0 / processesPerHost }
    return recipe
  }

  /// The numbers of completed epochs at which the model is evaluated: at the start, at every
  /// interval and at the end.
  package var evaluationEpochs: [Int] {
    let regular = Array(stride(from: 0, through: epochs, by: evaluation.every))
    return regular.last == epochs ? regular : regular + [epochs]
  }
}

extension TrainingPlan.Work {
  /// Counts the work of one epoch.
  init(_ recipe: TrainingRecipe, _ split: UpdateSplit, epoch: Int) {
    let sampling = recipe.sampling
    let trunks = recipe.prompts.perEpoch * sampling.trunksPerPrompt
    let steps = sampling.trainedSteps.steps(
      stepCount: sampling.steps, run: recipe.seed, epoch: epoch)
    let guided = recipe.guidance.rowsPerSample
    let method = sampling.rolloutMethod
    let rows = method.rows(
      by: .whole, trunks: trunks, trunksPerBatch: sampling.trunksPerRolloutBatch ?? trunks,
      stepCount: sampling.steps, steps: steps, finishesTrunks: recipe.finishesTrunks)
    rolloutCalls = rows.reduce(0) { $0 + microBatchCount(of: $1, limit: sampling.microBatch) }
    rolloutEvaluationsUnguided = rows.reduce(0, +)
    rolloutEvaluations = rolloutEvaluationsUnguided * guided
    decodes =
      trunks * method.samplesPerTrunk(steps: steps, finishesTrunks: recipe.finishesTrunks)
    rewards = decodes * recipe.rewards.count
    updates = split.updates
    learningCalls = split.updates * split.passesPerUpdate
    learningEvaluations = split.samples * guided
    // The first update's old log-probabilities come from its own forward pass.
    let recomputed =
      recipe.loss.evaluatedOldUpdates(of: split.updates, epoch: epoch) * split.samplesPerUpdate
    let klSamples = recipe.loss.objective.klBeta > 0 ? split.samples : 0
    referenceEvaluations = (recomputed + klSamples) * guided
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

/// The number of prompts in the files, checked against the recipe.
private struct PromptCounts {
  var training: Int
  var evaluation: Int

  init(_ recipe: TrainingRecipe) throws(TrainingError) {
    let prompts = try PromptList.files(of: recipe)
    training = prompts.training.count
    evaluation = prompts.evaluation.count
    guard recipe.prompts.perEpoch <= training else {
      throw .arithmetic(
        "prompts.per_epoch is \(recipe.prompts.perEpoch) but \(recipe.prompts.train) holds "
          + "\(training) prompts; use at most \(training)")
    }
    if let requested = recipe.evaluation.prompts {
      guard requested <= evaluation else {
        throw .arithmetic(
          "evaluation.prompts is \(requested) but \(recipe.prompts.evaluation) holds \(evaluation) "
            + "prompts; use at most \(evaluation)")
      }
      evaluation = requested
    }
  }
}
