public import Torch
import TorchNN

/// Prompt embeddings as inputs of the transformer. B samples, T tokens of width J, pooled width P.
public struct FluxConditioning {
  /// T5's hidden states, padding included, which is not masked. `[B, T, J]`, or `[B, T, D]` after
  /// the context embedder.
  public let rows: Tensor
  /// CLIP's pooled prompt. `[B, P]`
  public let pooled: Tensor
  /// Whether `rows` are outputs of the transformer's context embedder.
  public let isEmbedded: Bool

  public init(rows: Tensor, pooled: Tensor) {
    self.init(rows: rows, pooled: pooled, isEmbedded: false)
  }

  init(rows: Tensor, pooled: Tensor, isEmbedded: Bool) {
    precondition(rows.rank == 3 && pooled.rank == 2, "rows [B, T, J] and pooled [B, P]")
    self.rows = rows
    self.pooled = pooled
    self.isEmbedded = isEmbedded
  }

  /// The embeddings of a ``FluxPromptEncoder``.
  init(_ prompts: [PromptEmbeddings]) {
    guard let rows = prompts.stacked("t5"), let pooled = prompts.stacked("pooled") else {
      preconditionFailure("embeddings of another model's encoders")
    }
    self.init(rows: rows, pooled: pooled)
  }

  /// Number of samples.
  public var count: Int { pooled.shape[0] }

  /// The conditioning with `change` applied to its tensors, for a change of samples, precision or
  /// device.
  func mapped(_ change: (Tensor) -> Tensor) -> FluxConditioning {
    FluxConditioning(rows: change(rows), pooled: change(pooled), isEmbedded: isEmbedded)
  }

  /// The conditioning whose sample `i` is sample `samples[i]` of this one.
  public func selecting(_ samples: [Int]) -> FluxConditioning {
    let index = Tensor(samples, shape: [samples.count]).to(pooled.device)
    return mapped { $0.indexSelect(dim: 0, index) }
  }
}
