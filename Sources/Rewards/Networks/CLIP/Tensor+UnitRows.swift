import Torch

extension Tensor {
  /// Every row divided by its length, in float32. `[B, P] -> the same`
  func unitRows() -> Tensor {
    let rows = to(.float32)
    return rows / rows.squared().sum(dims: [1], keepDim: true).sqrt()
  }
}
