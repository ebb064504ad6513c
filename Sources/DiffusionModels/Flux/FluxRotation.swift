import Foundation
import Torch

/// Rotary positions of text and image tokens (diffusers' `FluxPosEmbed`, `apply_rotary_emb`).
///
/// A token has an index, a row and a column; each rotates a share of a head's pairs of neighboring
/// elements. Text tokens are all at 0, image tokens at their row and column. The angles are
/// float64, the table float32. It is made on the CPU, so that every device has its bits.
///
/// S tokens, text before image; heads of width d.
public struct FluxRotation {
  /// `[S, 1, d / 2]`
  private let cosine: Tensor
  private let sine: Tensor

  /// - Parameters:
  ///   - axes: elements of a head for index, row and column; even.
  ///   - textTokens: tokens before the image's.
  ///   - height: rows of image tokens.
  ///   - width: columns of image tokens.
  init(axes: [Int], textTokens: Int, height: Int, width: Int, device: Device) {
    let frequencies = axes.map { axis in
      (0..<(axis / 2)).map { 1 / pow(base, Double(2 * $0) / Double(axis)) }
    }
    let zeros = [Double](repeating: 0, count: axes[0] / 2)
    let rows = (0..<height).map { row in frequencies[1].map { Double(row) * $0 } }
    let columns = (0..<width).map { column in frequencies[2].map { Double(column) * $0 } }
    let text = zeros + frequencies[1].map { _ in 0 } + frequencies[2].map { _ in 0 }
    var angles = (0..<textTokens).flatMap { _ in text }
    for row in rows {
      for column in columns { angles += zeros + row + column }
    }
    let shape = [textTokens + height * width, 1, text.count]
    cosine = Tensor(angles.map { Float(cos($0)) }, shape: shape).to(device)
    sine = Tensor(angles.map { Float(sin($0)) }, shape: shape).to(device)
  }

  /// Rotates every pair of neighboring elements in float32. `[B, S, heads, d] -> the same`
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

/// The base of the frequencies (`theta`).
private let base = 10000.0
