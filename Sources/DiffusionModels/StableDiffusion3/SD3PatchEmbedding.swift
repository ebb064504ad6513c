import Foundation
import Torch
import TorchNN

/// Patches of the latents as tokens, with sine and cosine positions (diffusers' `PatchEmbed`).
///
/// The position table covers `max x max` patches; a smaller latent uses the table's center.
struct SD3PatchEmbedding {
  let projection: Conv2d
  let positions: Tensor  // [1, max * max, D]
  let patchSize: Int
  let maxSize: Int

  init(
    _ configuration: SD3TransformerConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    patchSize = configuration.patchSize
    maxSize = configuration.posEmbedMaxSize
    projection = try Conv2d(
      configuration.inChannels, configuration.width, kernel: patchSize, stride: patchSize,
      parameters["proj"])
    positions = try parameters.buffer(
      "pos_embed", shape: [1, maxSize * maxSize, configuration.width]
    ) {
      let table = positionTable(
        side: configuration.posEmbedMaxSize, width: configuration.width,
        base: configuration.sampleSize / configuration.patchSize)
      return Tensor(table, shape: [1, table.count / configuration.width, configuration.width])
    }
  }

  /// `[B, C, h, w] -> [B, h/p * w/p, D]`
  func callAsFunction(_ latents: Tensor) -> Tensor {
    let tokens = projection(latents).flattened(from: 2, to: 3).transposed(1, 2)
    let height = latents.shape[2] / patchSize
    let width = latents.shape[3] / patchSize
    // Contiguous, because every later operator would inherit the transposed layout.
    return (tokens + croppedPositions(height: height, width: width)).contiguous()
  }

  /// The center of the table. `-> [1, height * width, D]`
  func croppedPositions(height: Int, width: Int) -> Tensor {
    precondition(
      height <= maxSize && width <= maxSize,
      "\(height) x \(width) patches exceed pos_embed_max_size \(maxSize)")
    return positions.reshaped([1, maxSize, maxSize, -1])
      .narrowed(dim: 1, start: (maxSize - height) / 2, length: height)
      .narrowed(dim: 2, start: (maxSize - width) / 2, length: width)
      .reshaped([1, height * width, -1])
  }
}

/// Positions of a `side x side` grid, row by row, `side * side * width` elements. The first half of
/// a position encodes the patch's column, the second half its row; each half holds sines, then
/// cosines.
///
/// Grid coordinates are float32 and everything after them float64, as in diffusers'
/// `get_2d_sincos_pos_embed`; `base` is the number of patches across a latent of the sample size.
package func positionTable(side: Int, width: Int, base: Int) -> [Float] {
  let quarter = width / 4
  let frequencies = (0..<quarter).map { pow(10000, -Double($0) / Double(quarter)) }
  let scale = Float(Double(side) / Double(base))
  let axis: [[Float]] = (0..<side).map { index in
    let angles = frequencies.map { Double(Float(index) / scale) * $0 }
    return angles.map { Float(sin($0)) } + angles.map { Float(cos($0)) }
  }
  var table: [Float] = []
  table.reserveCapacity(side * side * width)
  for row in 0..<side {
    for column in 0..<side {
      table += axis[column]
      table += axis[row]
    }
  }
  return table
}
