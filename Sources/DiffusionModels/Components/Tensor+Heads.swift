import Torch

extension Tensor {
  /// Rows cut into the heads of an attention. `[B, T, heads * d] -> [B, heads, T, d]`
  func inHeads(_ heads: Int) -> Tensor {
    let shape = self.shape
    return reshaped([shape[0], shape[1], heads, shape[2] / heads]).transposed(1, 2)
  }

  /// What ``inHeads(_:)`` cut, put together. `[B, heads, T, d] -> [B, T, heads * d]`
  func joinedHeads() -> Tensor { transposed(1, 2).flattened(from: 2, to: 3) }
}
