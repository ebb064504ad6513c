import ImageFiles
import Torch
import TorchNN

extension AutoencoderKLConfiguration {
  /// Reads `vae/config.json` of a pipeline folder.
  static func read(folder: String) throws(PipelineError) -> AutoencoderKLConfiguration {
    try wrapping(PipelineError.model) { () throws(ModelError) in
      try AutoencoderKLConfiguration(contentsOf: "\(folder)/vae/config.json")
    }
  }
}

extension StoredNetwork<AutoencoderKL> {
  /// The precision of the weights.
  var dtype: DType { store.weights[0].tensor.dtype }

  /// Decodes latents of a transformer. `[B, C, h, w] -> float32 [B, 3, H, W]`
  ///
  /// - Parameter tileSide: in pixels; nil decodes every latent whole.
  func decoded(_ latents: Tensor, tileSide: Int?) -> Tensor {
    let tile = tileSide.map { TileSize(latentSide: $0 / network.configuration.spatialFactor) }
    return network.decode(network.denormalized(latents).to(dtype), tile: tile).to(.float32)
  }

  /// Encodes an image to latents for a transformer: the mean of their distribution, which is its
  /// mode. `-> [1, C, h, w]` in the precision of the weights
  func latents(of image: PixelBuffer) -> Tensor {
    let bytes = Tensor(image.pixels, shape: [1, image.height, image.width, 3])
    let pixels = bytes.to(store.device).to(.float32).permuted([0, 3, 1, 2]) / 255 * 2 - 1
    return network.normalized(network.encode(pixels.to(dtype)).mean)
  }
}
