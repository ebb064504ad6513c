import Torch

// B: rows of a batch.

extension Tensor {
  /// Rows of a product from which MKL rounds each of them alike, whatever their number. For fewer
  /// it has other kernels, and a row would depend on how the work is cut into batches and divided
  /// among processes.
  static let fewestRows = 4

  /// The rows of `body` for this batch, computed among at least `count` rows: rows of zeros fill
  /// it up. `[B, ...] -> [B, ...]`
  ///
  /// Only on CPUs and in float32, where rows are meant to round alike. It takes no time to speak
  /// of: a product of few rows takes as long as its weights are read.
  func filled(to count: Int, _ body: (Tensor) -> Tensor) -> Tensor {
    let rows = shape[0]
    guard device == .cpu, dtype == .float32, rows < count else { return body(self) }
    let zeros = Tensor.zeros([count - rows] + shape.dropFirst())
    return body(Tensor.cat([self, zeros], dim: 0)).narrowed(dim: 0, start: 0, length: rows)
  }
}
