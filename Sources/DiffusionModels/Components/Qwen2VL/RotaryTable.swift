import Foundation
import Torch

/// Cosines and sines of rotary position embeddings (arXiv 2104.09864). An element is paired with
/// the one half a head away.
///
/// B rows, H heads, T tokens, width D of a head.
struct RotaryTable {
  /// `[T, D]`
  private let cosine: Tensor
  private let sine: Tensor

  /// - Parameter angles: of the first half of a head, float32. `[T, D / 2]`
  init(angles: Tensor) {
    let both = Tensor.cat([angles, angles], dim: 1)
    cosine = both.cos()
    sine = both.sin()
  }

  /// The table in the precision of the multiplication.
  func to(_ dtype: DType) -> RotaryTable {
    RotaryTable(cosine: cosine.to(dtype), sine: sine.to(dtype))
  }

  private init(cosine: Tensor, sine: Tensor) {
    self.cosine = cosine
    self.sine = sine
  }

  /// `[B, H, T, D] -> [B, H, T, D]`
  func callAsFunction(_ x: Tensor) -> Tensor {
    let halves = x.chunked(2, dim: 3)
    return x * cosine + Tensor.cat([-halves[1], halves[0]], dim: 3) * sine
  }

  /// `base^(-2 i / width)` for `i` in `0 ..< width / 2`, as float32.
  static func frequencies(width: Int, base: Double) -> [Float] {
    (0..<(width / 2)).map { Float(1) / pow(Float(base), Float(2 * $0) / Float(width)) }
  }
}
