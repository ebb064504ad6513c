import Torch
import TorchNN

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
}
