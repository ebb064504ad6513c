internal import DiffusionModels
internal import Torch
internal import TorchNN

/// A setting that lowers the peak of memory, and the resulting peak.
package struct MemoryAdvice: Encodable, Sendable, Equatable {
  /// As written in a recipe, for example `gradient_checkpointing: true`.
  package var setting: String
  /// Bytes.
  package var peak: Int
}

extension MemoryAdvice {
  /// The settings that lower `plan`'s peak, largest savings first, then all of them together if
  /// there are several.
  ///
  /// - Parameter processes: processes of the run.
  static func all(
    _ recipe: TrainingRecipe, _ model: FlowModelMetadata, _ plan: MemoryPlan,
    evaluationPrompts: Int, processes: Int = 1
  ) -> [MemoryAdvice] {
    func peak(_ recipe: TrainingRecipe) -> Int {
      MemoryPlan(
        recipe, model, evaluationPrompts: evaluationPrompts, processes: processes
      ).peak.bytes
    }
    var helpful: [MemoryAdvice] = []
    var together = recipe
    for change in changes(recipe, processes: processes) {
      var changed = recipe
      change.apply(&changed)
      let lowered = peak(changed)
      guard lowered < plan.peak.bytes else { continue }
      helpful.append(MemoryAdvice(setting: change.setting, peak: lowered))
      change.apply(&together)
    }
    helpful.sort { $0.peak < $1.peak }
    guard helpful.count > 1 else { return helpful }
    return helpful + [MemoryAdvice(setting: "all of these", peak: peak(together))]
  }

  /// The settings that lower the memory of one phase, largest savings first.
  ///
  /// - Parameters:
  ///   - phase: a phase of `MemoryPlan`, or `load`, which the plan has with the text.
  ///   - decodeMicroBatch: latents decoded at once, also where the plan has chosen them: with more
  ///     room it would choose more.
  static func settings(
    lowering phase: String, _ recipe: TrainingRecipe, _ model: FlowModelMetadata,
    decodeMicroBatch: Int, evaluationPrompts: Int, processes: Int = 1
  ) -> [String] {
    let name = phase == "load" ? "text" : phase
    func bytes(_ recipe: TrainingRecipe) -> Int {
      MemoryPlan(
        recipe, model, evaluationPrompts: evaluationPrompts, processes: processes
      ).phases.first { $0.name == name }?.bytes ?? 0
    }
    var recipe = recipe
    recipe.sampling.decodeMicroBatch = decodeMicroBatch
    let planned = bytes(recipe)
    return changes(recipe, processes: processes).map { change in
      var changed = recipe
      change.apply(&changed)
      return (setting: change.setting, bytes: bytes(changed))
    }
    .filter { $0.bytes < planned }
    .sorted { $0.bytes < $1.bytes }
    .map(\.setting)
  }

  private struct Change {
    let setting: String
    let apply: (inout TrainingRecipe) -> Void
  }

  private static func changes(_ recipe: TrainingRecipe, processes: Int) -> [Change] {
    var changes: [Change] = []
    if !recipe.memory.gradientCheckpointing {
      changes.append(
        Change(setting: "gradient_checkpointing: true") { $0.memory.gradientCheckpointing = true })
    }
    if recipe.learning != .full {
      let needed = recipe.memory.gradientCheckpointing ? "" : "gradient_checkpointing: true, "
      if recipe.memory.quantizeBase == .none {
        changes.append(
          Change(setting: needed + "quantize_base: int8") {
            $0.memory.gradientCheckpointing = true
            $0.memory.quantizeBase = .int8
          })
      }
      if recipe.memory.offload == .none {
        changes.append(
          Change(setting: needed + "offload: blocks") {
            $0.memory.gradientCheckpointing = true
            $0.memory.offload = .blocks
          })
      }
      if processes > 1, recipe.memory.shard == .none {
        changes.append(
          Change(setting: needed + "shard: base") {
            $0.memory.gradientCheckpointing = true
            $0.memory.shard = .base
          })
      }
    }
    if recipe.learning != .full, recipe.dtype == .float32 {
      changes.append(Change(setting: "dtype: bfloat16") { $0.dtype = .bfloat16 })
    }
    if recipe.memory.autoencoderDType == .float32 {
      changes.append(
        Change(setting: "vae_dtype: bfloat16") { $0.memory.autoencoderDType = .bfloat16 })
    }
    if recipe.optimizer.microBatch > 1 {
      changes.append(Change(setting: "optimizer.micro_batch: 1") { $0.optimizer.microBatch = 1 })
    }
    if recipe.sampling.microBatch > 1 {
      changes.append(Change(setting: "sampling.micro_batch: 1") { $0.sampling.microBatch = 1 })
    }
    if recipe.sampling.decodeMicroBatch ?? 1 > 1 {
      changes.append(
        Change(setting: "sampling.decode_micro_batch: 1") { $0.sampling.decodeMicroBatch = 1 })
    }
    if recipe.sampling.trunksPerRolloutBatch != 1 {
      changes.append(
        Change(setting: "sampling.trunks_per_rollout_batch: 1") {
          $0.sampling.trunksPerRolloutBatch = 1
        })
    }
    return changes
  }
}
