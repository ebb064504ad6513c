import Torch

/// The rotation of tokens by their positions: each pair of neighboring elements of a head turns by
/// an angle of its own (diffusers' `apply_rotary_emb`, `apply_rotary_emb_qwen`).
///
/// S tokens, heads of width d.
public struct PairRotation {
  /// `[S, 1, d / 2]`
  let cosine: Tensor
  let sine: Tensor

  /// Rotates in float32. `[B, S, heads, d] -> the same`
  func callAsFunction(_ x: Tensor) -> Tensor {
    let shape = x.shape
    let pairs = x.to(.float32).reshaped(shape.dropLast() + [shape[3] / 2, 2])
    let first = pairs.selected(dim: 4, index: 0)
    let second = pairs.selected(dim: 4, index: 1)
    return Tensor.stack(
      [first * cosine - second * sine, second * cosine + first * sine], dim: 4
    ).reshaped(shape).to(x.dtype)
  }
}
