internal import Recipes
package import Torch

/// Trade-offs between memory and time: the keys `gradient_checkpointing`, `vae_dtype` and
/// `memory_budget`.
package struct MemoryRecipe: Sendable, Equatable {
  /// Whether each block of the transformer keeps its inputs alone and is recomputed in the backward
  /// pass.
  package var gradientCheckpointing: Bool
  /// Precision of the autoencoder.
  package var autoencoder: DType
  /// The budget in bytes; nil means the device's memory.
  package var budget: Int?

  private enum AutoencoderPrecision: String, CaseIterable {
    case float32, bfloat16
  }

  init(_ root: RecipeSection) {
    gradientCheckpointing = root.bool("gradient_checkpointing", default: false)
    switch root.choice("vae_dtype", default: AutoencoderPrecision.float32) {
    case .float32: autoencoder = .float32
    case .bfloat16: autoencoder = .bfloat16
    }
    budget = root.optional("memory_budget", .bytes)
  }
}

extension TrainingRecipe {
  /// Whether the update passes rows through the network on separate threads. This is the case on
  /// the CPU, except with gradient checkpointing, which runs all rows on one thread, and with so
  /// many trainable parameters that a copy of the gradients per thread would be expensive.
  func recordsRows(trainableParameters: Int) -> Bool {
    device == .cpu && !memory.gradientCheckpointing && rowThreads > 1
      && 4 * trainableParameters <= 128 << 20
  }

  /// Number of threads for the rows of a batch.
  var rowThreads: Int { threads ?? TorchRuntime.threadCount }
}
