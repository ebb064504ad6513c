import Foundation
package import Torch

extension PairRotation {
  /// The rotation of text and image tokens of Qwen-Image (diffusers' `QwenEmbedRope` with
  /// `scale_rope`), text before the image.
  ///
  /// A token has a frame, a row and a column; each rotates a share of a head's pairs. Rows and
  /// columns are counted from the image's center, and the frame is 0. All three positions of a text
  /// token are its index plus half of the image's longer side, so that they do not depend on the
  /// padding.
  ///
  /// - Parameters:
  ///   - table: of the network's axes.
  ///   - textTokens: T, padding included.
  ///   - rows: of image tokens.
  ///   - columns: of image tokens.
  init(
    _ table: QwenImagePositions, textTokens: Int, rows: Int, columns: Int, device: Device
  ) {
    let image = table.image(rows: rows, columns: columns)
    let text = table.text(from: max(rows / 2, columns / 2), count: textTokens)
    let both = Tensor.cat([text, image], dim: 0).unsqueezed(1)
    self.init(
      cosine: both.selected(dim: 3, index: 0).contiguous().to(device),
      sine: both.selected(dim: 3, index: 1).contiguous().to(device))
  }
}

/// Cosines and sines of all positions, bit for bit diffusers' `pos_freqs` and `neg_freqs`.
///
/// Made on the CPU with the operations of the class in their order, in float32: the power of
/// another device, or of float64, differs in the last bit, and that difference grows with the
/// position and through the blocks. `torch.polar` has the cosine and sine of the C library, which
/// libtorch's own operators do not.
package struct QwenImagePositions {
  /// Positions on each side of 0.
  package static let limit = 4096

  private static let base = 10000.0

  /// Of the positions `-limit ..< limit`. `[2 limit, d / 2, 2]`
  package let table: Tensor
  private let axes: [Int]

  /// - Parameter axes: elements of a head for frame, row and column; even.
  package init(axes: [Int]) {
    self.axes = axes
    let limit = Self.limit
    let frequencies = axes.flatMap { axis in
      let even = (0..<(axis / 2)).map { Float(2 * $0) }
      let exponents = Tensor(even, shape: [axis / 2]) / Double(axis)
      return Tensor.pow(Self.base, exponents).reciprocal().floats()
    }
    var pairs: [Float] = []
    pairs.reserveCapacity(4 * limit * frequencies.count)
    for position in -limit..<limit {
      for frequency in frequencies {
        let angle = Float(position) * frequency
        pairs.append(cos(angle))
        pairs.append(sin(angle))
      }
    }
    table = Tensor(pairs, shape: [2 * limit, frequencies.count, 2])
  }

  /// Consecutive positions on all axes. `-> [count, d / 2, 2]`
  package func text(from start: Int, count: Int) -> Tensor {
    precondition(start + count <= Self.limit, "\(count) text tokens behind position \(start)")
    return table.narrowed(dim: 0, start: Self.limit + start, length: count)
  }

  /// The tokens of an image, row by row. `-> [rows * columns, d / 2, 2]`
  package func image(rows: Int, columns: Int) -> Tensor {
    let centered = { (side: Int) in (0..<side).map { $0 - (side - side / 2) } }
    let tokens = centered(rows).flatMap { row in centered(columns).map { [0, row, $0] } }
    var start = 0
    return Tensor.cat(
      axes.indices.map { axis in
        let width = axes[axis] / 2
        defer { start += width }
        let index = tokens.map { Self.limit + $0[axis] }
        return table.narrowed(dim: 1, start: start, length: width)
          .indexSelect(dim: 0, Tensor(index, shape: [index.count]))
      }, dim: 1)
  }
}
