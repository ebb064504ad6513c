internal import DiffusionModels
internal import Runs
internal import Torch

/// The memory of a run as its plan sets it up.
struct RunMemory {
  let meter: MemoryMeter
  /// Latents decoded at once.
  let decodeMicroBatch: Int

  /// Plans the run's memory, and sets how much of freed memory the allocator keeps.
  ///
  /// - Parameters:
  ///   - checkpoints: of the run; nil where another process writes them.
  ///   - folder: that of the checkpoints.
  ///   - processes: of the run.
  ///   - perHost: those of this machine, which share its memory.
  /// - Throws: `TrainingError.model` when the model folder cannot be read.
  init(
    _ recipe: TrainingRecipe, _ prompts: RunPrompts, _ checkpoints: CheckpointStore?,
    in folder: String, processes: Int = 1, perHost: Int = 1
  ) throws {
    let model = try FlowModelMetadata(recipe)
    let count = prompts.evaluation.count
    let recipe = recipe.countingRewards(processesPerHost: perHost)
      .budgeted(processesPerHost: perHost)
    let plan = MemoryPlan(recipe, model, evaluationPrompts: count, processes: processes)
    TorchRuntime.keepFreedMemory(upTo: plan.keptBlockBytes)
    decodeMicroBatch = plan.decodeMicroBatch
    meter = MemoryMeter(recipe.device) { phase in
      OutOfMemory.Advice(
        phase: phase, recipe, decodeMicroBatch: plan.decodeMicroBatch,
        settings: MemoryAdvice.settings(
          lowering: phase.rawValue, recipe, model, decodeMicroBatch: plan.decodeMicroBatch,
          evaluationPrompts: count, processes: processes),
        checkpoints, in: folder)
    }
  }
}
