import Torch

extension Tensor {
  /// Splits tokens into attention heads. `[B, T, heads * d] -> [B, heads, T, d]`
  func inHeads(_ heads: Int) -> Tensor {
    let shape = self.shape
    return reshaped([shape[0], shape[1], heads, shape[2] / heads]).transposed(1, 2)
  }

  /// Merges attention heads, the inverse of ``inHeads(_:)``. `[B, heads, T, d] -> [B, T, heads *
  /// d]`
  func joinedHeads() -> Tensor { transposed(1, 2).flattened(from: 2, to: 3) }
}
