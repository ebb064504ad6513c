internal import Recipes
package import Torch

/// What may be traded for memory: the keys `gradient_checkpointing`, `vae_dtype` and `memory_budget`.
package struct MemoryRecipe: Sendable, Equatable {
  /// Whether each block of the transformer keeps its inputs alone, and the backward pass computes
  /// the rest again.
  package var gradientCheckpointing: Bool
  /// Precision of the autoencoder.
  package var autoencoder: DType
  /// Bytes the run is meant to stay within; nil is the device's memory.
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
  /// Whether learning takes rows through the network on threads of their own: on the CPU, unless
  /// blocks are computed again, which one thread does for all rows, or what learns is so large that
  /// a copy of its gradients per thread would be felt.
  func recordsRows(learnedParameters: Int) -> Bool {
    device == .cpu && !memory.gradientCheckpointing && rowThreads > 1
      && 4 * learnedParameters <= 128 << 20
  }

  /// Threads that a batch is spread over.
  var rowThreads: Int { threads ?? TorchRuntime.threadCount }
}
