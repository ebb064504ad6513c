import Torch

/// Cuts large images into overlapping square tiles, so that the autoencoder's memory depends on the
/// tile's size instead of the image's (diffusers' `enable_tiling`).
///
/// Adjacent tiles overlap by a quarter of their side and are blended there. Group norms and
/// attention cover one tile at a time, so a tiled image differs slightly from an untiled one.
public struct TileSize: Equatable, Sendable {
  /// Side of a tile in latent pixels: a positive multiple of 4.
  public let latentSide: Int

  /// Tiles of `latentSide` x `latentSide` latent pixels.
  public init(latentSide: Int) {
    precondition(
      latentSide > 0 && latentSide.isMultiple(of: 4),
      "a tile's side is a positive multiple of 4 latent pixels, not \(latentSide)")
    self.latentSide = latentSide
  }
}

/// How the encoder or the decoder is applied to tiles.
struct Tiling {
  /// Side of a tile of the input, in its pixels.
  let inputSide: Int
  /// Side of the same tile of the output, in its pixels.
  let outputSide: Int

  /// - Parameters:
  ///   - inputScale: pixels of the input per latent pixel.
  ///   - outputScale: pixels of the output per latent pixel.
  init(_ tile: TileSize, inputScale: Int, outputScale: Int) {
    inputSide = tile.latentSide * inputScale
    outputSide = tile.latentSide * outputScale
  }

  /// Runs `network` on each tile and joins the results; on an input of one tile, once.
  ///
  /// A tile is cropped as soon as the row of tiles below it is done; only one row is kept whole,
  /// for blending. `[B, C, h, w] -> [B, C', h', w']`, or `[B, C, f, h, w] -> [B, C', f', h', w']`
  func callAsFunction(_ input: Tensor, _ network: (Tensor) -> Tensor) -> Tensor {
    let (vertical, horizontal) = (input.rank - 2, input.rank - 1)
    let (height, width) = (input.shape[vertical], input.shape[horizontal])
    guard max(height, width) > inputSide else { return network(input) }
    let step = inputSide * 3 / 4
    let kept = outputSide * 3 / 4
    var bands: [Tensor] = []
    var above: [Tensor] = []
    for top in stride(from: 0, to: height, by: step) {
      let rows = input.narrowed(
        dim: vertical, start: top, length: min(inputSide, height - top))
      var band: [Tensor] = []
      for left in stride(from: 0, to: width, by: step) {
        var tile = network(
          rows.narrowed(dim: horizontal, start: left, length: min(inputSide, width - left)))
        if !above.isEmpty { tile = blended(tile, after: above[band.count], dim: vertical) }
        if let previous = band.last { tile = blended(tile, after: previous, dim: horizontal) }
        band.append(tile)
      }
      bands.append(
        Tensor.cat(
          band.map { cut(cut($0, vertical, kept), horizontal, kept) }, dim: horizontal))
      above = band
    }
    return Tensor.cat(bands, dim: vertical)
  }

  /// `tile` with its beginning along `dim` blended linearly from the end of `previous`.
  private func blended(_ tile: Tensor, after previous: Tensor, dim: Int) -> Tensor {
    let (length, before) = (tile.shape[dim], previous.shape[dim])
    let overlap = min(outputSide / 4, length, before)
    let ramp = (0..<overlap).map { Float($0) / Float(overlap) }
    let weight = Tensor(ramp, shape: dim == tile.rank - 2 ? [overlap, 1] : [overlap]).to(
      tile.device)
    let end = previous.narrowed(dim: dim, start: before - overlap, length: overlap)
    let start = tile.narrowed(dim: dim, start: 0, length: overlap)
    let mixed = (end * (1 - weight) + start * weight).to(tile.dtype)
    return Tensor.cat(
      [mixed, tile.narrowed(dim: dim, start: overlap, length: length - overlap)], dim: dim)
  }

  private func cut(_ tile: Tensor, _ dim: Int, _ length: Int) -> Tensor {
    tile.narrowed(dim: dim, start: 0, length: min(length, tile.shape[dim]))
  }
}
