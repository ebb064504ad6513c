public import Torch
import TorchNN

/// Prompt embeddings as inputs of the transformer. B samples, T rows of width J, pooled width P.
///
/// Pipelines without T5 have rows of zeros in place of T5's embeddings. Prompt rows have no
/// positions, so equal rows stay equal through every block; they are stored as a count and computed
/// once.
public struct SD3Conditioning {
  /// `[B, T, J]`, or `[B, T, D]` after the context embedder.
  public let rows: Tensor
  /// `[B, P]`
  public let pooled: Tensor
  /// The number of zero rows after `rows`, for every sample.
  public let zeroRowCount: Int
  /// Whether `rows` are outputs of the transformer's context embedder.
  public let isEmbedded: Bool

  public init(rows: Tensor, pooled: Tensor, zeroRowCount: Int) {
    self.init(rows: rows, pooled: pooled, zeroRowCount: zeroRowCount, isEmbedded: false)
  }

  private init(rows: Tensor, pooled: Tensor, zeroRowCount: Int, isEmbedded: Bool) {
    precondition(rows.rank == 3 && pooled.rank == 2, "rows [B, T, J] and pooled [B, P]")
    precondition(zeroRowCount >= 0, "\(zeroRowCount) rows of zeros")
    self.rows = rows
    self.pooled = pooled
    self.zeroRowCount = zeroRowCount
    self.isEmbedded = isEmbedded
  }

  /// Number of samples.
  public var count: Int { pooled.shape[0] }

  /// The conditioning with `change` applied to its rows and pooled vectors, for a change of
  /// samples, precision or device.
  package func mapped(_ change: (Tensor) -> Tensor) -> SD3Conditioning {
    SD3Conditioning(
      rows: change(rows), pooled: change(pooled), zeroRowCount: zeroRowCount,
      isEmbedded: isEmbedded)
  }

  /// The conditioning with its rows after a context embedder.
  func embedded(by embedder: Linear) -> SD3Conditioning {
    SD3Conditioning(
      rows: embedder(rows), pooled: pooled, zeroRowCount: zeroRowCount, isEmbedded: true)
  }

  /// The conditioning whose sample `i` is sample `samples[i]` of this one.
  public func selecting(_ samples: [Int]) -> SD3Conditioning {
    let index = Tensor(samples, shape: [samples.count]).to(pooled.device)
    return mapped { $0.indexSelect(dim: 0, index) }
  }

  /// The samples of `self`, then those of `other`.
  public func joined(with other: SD3Conditioning) -> SD3Conditioning {
    precondition(
      zeroRowCount == other.zeroRowCount && isEmbedded == other.isEmbedded,
      "conditionings with unequal rows of zeros, or only one of them embedded")
    return SD3Conditioning(
      rows: Tensor.cat([rows, other.rows], dim: 0),
      pooled: Tensor.cat([pooled, other.pooled], dim: 0), zeroRowCount: zeroRowCount,
      isEmbedded: isEmbedded)
  }
}

extension SD3Conditioning {
  /// CLIP's rows padded with zeros to the transformer's width, then T5's rows or the same number of
  /// zero rows.
  ///
  /// - Parameters:
  ///   - prompts: embeddings of an ``SD3PromptEncoder``.
  ///   - width: J, the transformer's `joint_attention_dim`.
  ///   - t5Length: U, diffusers' `max_sequence_length`.
  package init(_ prompts: [PromptEmbeddings], width: Int, t5Length: Int) {
    guard let clip = prompts.stacked("clip"), let pooled = prompts.stacked("pooled") else {
      preconditionFailure("embeddings of another model's encoders")
    }
    let t5 = prompts.stacked("t5")
    let missing = width - clip.shape[2]
    let rows = missing > 0 ? clip.padded([0, missing]) : clip
    self.init(
      rows: t5.map { Tensor.cat([rows, $0], dim: 1) } ?? rows, pooled: pooled,
      zeroRowCount: t5 == nil ? t5Length : 0)
  }
}
