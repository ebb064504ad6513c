internal import Runs
package import Torch

/// What may be traded for memory: the keys `recompute`, `vae_dtype` and `memory_budget`.
package struct MemoryRecipe: Sendable, Equatable {
  /// What the backward pass computes again instead of keeping it.
  package enum Recomputation: String, CaseIterable, Sendable {
    /// Every intermediate value is kept.
    case none
    /// Each block of the transformer keeps its inputs alone.
    case blocks
  }

  package var recompute: Recomputation
  /// Precision of the autoencoder.
  package var autoencoder: DType
  /// Bytes the run is meant to stay within; nil is the device's memory.
  package var budget: Int?

  private enum AutoencoderPrecision: String, CaseIterable {
    case float32, bfloat16
  }

  init(_ root: RecipeSection) {
    recompute = root.choice("recompute", default: Recomputation.none)
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
    device == .cpu && memory.recompute == .none && rowThreads > 1
      && 4 * learnedParameters <= 128 << 20
  }

  /// Threads that a batch is spread over.
  var rowThreads: Int { threads ?? TorchRuntime.threadCount }
}
