public import DiffusionModels
public import Torch

/// What the text encoders make of prompts, before it is put together for the transformer.
///
/// B prompts, T tokens for CLIP and U for T5, the transformer's row width J.
public struct PromptEmbeddings {
  /// Both CLIP encoders' penultimate rows, side by side. `[B, T, W]`, W at most J
  public let clip: Tensor
  /// T5's rows; nil without T5. `[B, U, J]`
  public let t5: Tensor?
  /// Both CLIP encoders' projections, side by side. `[B, P]`
  public let pooled: Tensor

  public init(clip: Tensor, t5: Tensor?, pooled: Tensor) {
    precondition(clip.rank == 3 && pooled.rank == 2, "rows [B, T, W] and pooled [B, P]")
    self.clip = clip
    self.t5 = t5
    self.pooled = pooled
  }

  /// The condition of the prompts: CLIP's rows filled up with zeros to `width`, then T5's rows or
  /// as many rows of zeros.
  ///
  /// - Parameters:
  ///   - width: J, the transformer's `joint_attention_dim`.
  ///   - t5Length: U, diffusers' `max_sequence_length`.
  public func condition(width: Int, t5Length: Int) -> TextCondition {
    let missing = width - clip.shape[2]
    let rows = missing > 0 ? clip.padded([0, missing]) : clip
    return TextCondition(
      rows: t5.map { Tensor.cat([rows, $0], dim: 1) } ?? rows, pooled: pooled,
      zeroRowCount: t5 == nil ? t5Length : 0)
  }
}
