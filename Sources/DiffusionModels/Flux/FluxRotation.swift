import Foundation
import Torch

extension PairRotation {
  /// The rotation of text and image tokens of FLUX.1 (diffusers' `FluxPosEmbed`), text before
  /// images.
  ///
  /// A token has an index, a row and a column; each rotates a share of a head's pairs. Text tokens
  /// are all at 0, image tokens at their row and column. The index is 0, and 1 for the tokens of a
  /// source image. The angles are float64, the table float32. It is made on the CPU, so that every
  /// device has its bits.
  ///
  /// - Parameters:
  ///   - axes: elements of a head for index, row and column; even.
  ///   - textTokens: tokens before the images'.
  ///   - images: rows and columns of tokens, of the image and of its source.
  init(
    fluxAxes axes: [Int], textTokens: Int, images: [(rows: Int, columns: Int)], device: Device
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
    self.init(
      cosine: Tensor(angles.map { Float(cos($0)) }, shape: shape).to(device),
      sine: Tensor(angles.map { Float(sin($0)) }, shape: shape).to(device))
  }
}

/// The base of the frequencies (`theta`).
private let base = 10000.0
