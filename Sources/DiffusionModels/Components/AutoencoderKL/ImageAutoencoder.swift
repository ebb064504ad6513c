import ImageFiles
import Torch
import TorchNN

/// An autoencoder between images and the latents of a transformer.
protocol ImageAutoencoder {
  /// Image pixels per latent pixel, in each direction.
  var spatialFactor: Int { get }

  /// The distribution of the latents of each image, of values in -1...1.
  /// `[B, 3, H, W] -> [B, C, h, w]`
  func encode(_ images: Tensor, tile: TileSize?) -> LatentDistribution
  /// Images in about -1...1. `[B, C, h, w] -> [B, 3, H, W]`
  func decode(_ latents: Tensor, tile: TileSize?) -> Tensor
  /// Converts latents of the autoencoder to latents of the transformer.
  func normalized(_ latents: Tensor) -> Tensor
  /// Converts latents of the transformer to latents of the autoencoder.
  func denormalized(_ latents: Tensor) -> Tensor
}

extension AutoencoderKL: ImageAutoencoder {
  var spatialFactor: Int { configuration.spatialFactor }
}

extension AutoencoderKLQwenImage: ImageAutoencoder {
  var spatialFactor: Int { configuration.spatialFactor }
}

extension StoredNetwork where Network: ImageAutoencoder {
  /// The precision of the weights.
  var dtype: DType { store.weights[0].tensor.dtype }

  /// Decodes latents of a transformer. `[B, C, h, w] -> float32 [B, 3, H, W]`
  ///
  /// - Parameter tileSide: in pixels; nil decodes every latent whole.
  func decoded(_ latents: Tensor, tileSide: Int?) -> Tensor {
    let tile = tileSide.map { TileSize(latentSide: $0 / network.spatialFactor) }
    return network.decode(network.denormalized(latents).to(dtype), tile: tile).to(.float32)
  }

  /// Encodes an image to latents for a transformer: the mean of their distribution, which is its
  /// mode. `-> [1, C, h, w]` in the precision of the weights
  func latents(of image: PixelBuffer) -> Tensor {
    let bytes = Tensor(image.pixels, shape: [1, image.height, image.width, 3])
    let pixels = bytes.to(store.device).to(.float32).permuted([0, 3, 1, 2]) / 255 * 2 - 1
    return network.normalized(network.encode(pixels.to(dtype), tile: nil).mean)
  }
}
