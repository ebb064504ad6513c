internal import Recipes
package import Torch
package import TorchNN

/// Trade-offs between memory and time: the keys `gradient_checkpointing`, `vae_dtype`,
/// `quantize_base`, `offload`, `shard` and `memory_budget`.
package struct MemoryRecipe: Sendable, Equatable {
  /// Whether each block of the transformer keeps its inputs alone and is recomputed in the backward
  /// pass.
  package var gradientCheckpointing: Bool
  /// Precision of the autoencoder.
  package var autoencoderDType: DType
  /// How the frozen linear layers of the transformer's blocks are stored.
  package var quantizeBase: WeightQuantization
  /// Where the frozen weights of the transformer's blocks stay.
  package var offload: WeightOffload
  /// Which weights the processes of a run share.
  package var shard: Shard
  /// The budget in bytes; nil means the device's memory.
  package var budget: Int?
  /// Bytes of the rewards' networks on the run's device, as `TrainingRecipe.countingRewards` finds
  /// them.
  package var rewards = 0

  /// What each of several processes keeps.
  package enum Shard: String, Sendable, CaseIterable, Encodable {
    /// All weights.
    case none
    /// Its part of the frozen weights of the transformer's blocks, and all others.
    case base
  }

  private enum AutoencoderPrecision: String, CaseIterable {
    case float32, bfloat16
  }

  init(_ root: RecipeSection, _ learning: LearningRecipe) {
    gradientCheckpointing = root.bool("gradient_checkpointing", default: false)
    switch root.choice("vae_dtype", default: AutoencoderPrecision.float32) {
    case .float32: autoencoderDType = .float32
    case .bfloat16: autoencoderDType = .bfloat16
    }
    quantizeBase = root.choice("quantize_base", default: WeightQuantization.none)
    offload = root.choice("offload", default: WeightOffload.none)
    shard = root.choice("shard", default: Shard.none)
    budget = root.optional("memory_budget", .bytes)
    let moved = [
      ("quantize_base", quantizeBase != .none), ("offload", offload != .none),
      ("shard", shard != .none),
    ]
    for (key, isGiven) in moved where isGiven {
      if learning == .full {
        root.report(key, "is for frozen weights; trainable must be lora")
      } else if !gradientCheckpointing {
        root.report(
          key,
          "needs gradient_checkpointing: true; other blocks take a block's place in memory "
            + "before its backward pass")
      }
    }
  }
}

extension TrainingRecipe {
  /// Whether the update passes rows through the network on separate threads, with the operators and
  /// kernels of the rollout. This is the case on the CPU, also with one thread, except with
  /// gradient checkpointing, and with so many trainable parameters that a copy of the gradients
  /// per thread would be expensive.
  func recordsRows(trainableParameters: Int) -> Bool {
    device == .cpu && !memory.gradientCheckpointing
      && 4 * trainableParameters <= 128 << 20
  }

  /// Number of threads for the rows of a batch.
  var rowThreads: Int { threads ?? TorchRuntime.threadCount }
}
