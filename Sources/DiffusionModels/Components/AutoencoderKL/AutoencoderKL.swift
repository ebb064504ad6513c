public import Torch
public import TorchNN

/// The autoencoder between images and latents (diffusers' `AutoencoderKL`).
///
/// B images of H x W pixels with values in -1...1, latents of C channels and h x w pixels, h = H /
/// `spatialFactor`. The transformer uses latents that are shifted and scaled; `normalized(_:)` and
/// `denormalized(_:)` convert between the two.
public struct AutoencoderKL {
  public let configuration: AutoencoderKLConfiguration
  let encoder: AutoencoderEncoder
  let decoder: AutoencoderDecoder
  let quantConv: Conv2d?
  let postQuantConv: Conv2d?

  /// Builds the network from parameters named as in a diffusers checkpoint.
  ///
  /// - Throws: `ParameterError` for a missing parameter or a wrong shape.
  public init(
    _ configuration: AutoencoderKLConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    self.configuration = configuration
    let channels = configuration.latentChannels
    encoder = try AutoencoderEncoder(configuration, parameters["encoder"])
    decoder = try AutoencoderDecoder(configuration, parameters["decoder"])
    quantConv =
      configuration.useQuantConv
      ? try Conv2d(2 * channels, 2 * channels, kernel: 1, parameters["quant_conv"]) : nil
    postQuantConv =
      configuration.usePostQuantConv
      ? try Conv2d(channels, channels, kernel: 1, parameters["post_quant_conv"]) : nil
  }

  /// The distribution of the latents of each image. `[B, 3, H, W] -> [B, C, h, w]`
  ///
  /// - Parameter tile: the size of the tiles that larger images are cut into; nil encodes every
  ///   image whole.
  public func encode(_ images: Tensor, tile: TileSize? = nil) -> LatentDistribution {
    let moments = inTiles(
      images, inputScale: configuration.spatialFactor, outputScale: 1, tile
    ) { part in
      let moments = encoder(part)
      return quantConv.map { $0(moments) } ?? moments
    }
    return LatentDistribution(moments: moments)
  }

  /// Images in about -1...1. `[B, C, h, w] -> [B, 3, H, W]`
  ///
  /// - Parameter tile: the size of the tiles that larger latents are cut into; nil decodes every
  ///   latent whole.
  public func decode(_ latents: Tensor, tile: TileSize? = nil) -> Tensor {
    inTiles(latents, inputScale: 1, outputScale: configuration.spatialFactor, tile) { part in
      decoder(postQuantConv.map { $0(part) } ?? part)
    }
  }

  /// Scales are pixels per latent pixel.
  private func inTiles(
    _ input: Tensor, inputScale: Int, outputScale: Int, _ tile: TileSize?,
    _ network: (Tensor) -> Tensor
  ) -> Tensor {
    // On the CPU convolutions in 16 bits are computed in this layout; any other is converted before
    // and after each of them. On a GPU the first group norm would leave it.
    let isChannelsLast = input.device == .cpu && input.dtype != .float32
    let input = isChannelsLast ? input.channelsLast() : input
    guard let tile else { return network(input) }
    return Tiling(tile, inputScale: inputScale, outputScale: outputScale)(input, network)
  }

  /// Converts latents of the autoencoder to latents of the transformer: `(z - shift) * scale`.
  public func normalized(_ latents: Tensor) -> Tensor {
    let shifted = configuration.shiftFactor.map { latents - $0 } ?? latents
    return shifted * configuration.scalingFactor
  }

  /// Converts latents of the transformer to latents of the autoencoder: `x / scale + shift`.
  public func denormalized(_ latents: Tensor) -> Tensor {
    let scaled = latents / configuration.scalingFactor
    return configuration.shiftFactor.map { scaled + $0 } ?? scaled
  }
}

/// A normal distribution per latent element (diffusers' `DiagonalGaussianDistribution`).
///
/// The latents of images are `[B, C, h, w]`, those of videos `[B, C, f, h, w]`.
public struct LatentDistribution {
  /// `[B, C, h, w]`
  public let mean: Tensor
  /// `[B, C, h, w]`, in -30...20
  public let logVariance: Tensor

  /// - Parameter moments: means and log variances, `[B, 2 C, h, w]`.
  init(moments: Tensor) {
    let parts = moments.chunked(2, dim: 1)
    mean = parts[0]
    logVariance = parts[1].clamped(-30, 20)
  }

  /// Draws a sample; gradients flow through mean and variance. `-> [B, C, h, w]`
  public func sample(_ generator: Generator) -> Tensor {
    let noise = Tensor.randn(mean.shape, generator: generator).to(mean.dtype).to(mean.device)
    return mean + (logVariance * 0.5).exp() * noise
  }

  /// KL divergence from the standard normal, summed over the elements of a sample. `-> [B]`
  public func divergenceFromStandardNormal() -> Tensor {
    let terms = mean.squared() + logVariance.exp() - logVariance - 1
    return terms.sum(dims: Array(1..<terms.rank), keepDim: false) * 0.5
  }
}
