import Foundation
import Torch

/// Rotary positions of text and image tokens (diffusers' `FluxPosEmbed`, `apply_rotary_emb`).
///
/// A token has an index, a row and a column; each rotates a share of a head's pairs of neighboring
/// elements. Text tokens are all at 0, image tokens at their row and column. The index is 0, and 1
/// for the tokens of a source image. The angles are float64, the table float32. It is made on the
/// CPU, so that every device has its bits.
///
/// S tokens, text before images; heads of width d.
public struct FluxRotation {
  /// `[S, 1, d / 2]`
  private let cosine: Tensor
  private let sine: Tensor

  /// - Parameters:
  ///   - axes: elements of a head for index, row and column; even.
  ///   - textTokens: tokens before the images'.
  ///   - images: rows and columns of tokens, of the image and of its source.
  init(
    axes: [Int], textTokens: Int, images: [(rows: Int, columns: Int)], device: Device
  ) {
    let frequencies = axes.map { axis in
      (0..<(axis / 2)).map { 1 / pow(base, Double(2 * $0) / Double(axis)) }
    }
    func turned(_ axis: Int, by position: Int) -> [Double] {
      frequencies[axis].map { Double(position) * $0 }
    }
    let text = turned(0, by: 0) + turned(1, by: 0) + turned(2, by: 0)
    var angles = (0..<textTokens).flatMap { _ in text }
    for (index, image) in images.enumerated() {
      let own = turned(0, by: index)
      let columns = (0..<image.columns).map { turned(2, by: $0) }
      for row in 0..<image.rows {
        let row = turned(1, by: row)
        for column in columns { angles += own + row + column }
      }
    }
    let shape = [angles.count / text.count, 1, text.count]
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
