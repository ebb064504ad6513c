public import Torch
public import TorchNN

/// The autoencoder between videos or images and latents (diffusers' `AutoencoderKLQwenImage`).
///
/// B videos of F frames, F = 1 + 4 n, of H x W pixels with values in -1...1; latents of C channels,
/// f frames and h x w pixels, h = H / `spatialFactor`. The first frame is encoded alone, the others
/// four at a time, and no frame depends on a later one. An image is a video of one frame without
/// that dimension. The transformer uses latents of zero mean and unit deviation per channel;
/// `normalized(_:)` and `denormalized(_:)` convert between the two.
public struct AutoencoderKLQwenImage {
  public let configuration: AutoencoderKLQwenImageConfiguration
  private let encoder: CausalEncoder
  private let decoder: CausalDecoder
  private let quantConv: CausalConv3d
  private let postQuantConv: CausalConv3d

  /// Builds the network from parameters named as in a diffusers checkpoint.
  ///
  /// - Throws: `ParameterError` for a missing parameter or a wrong shape.
  public init(
    _ configuration: AutoencoderKLQwenImageConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    self.configuration = configuration
    let channels = configuration.zDim
    encoder = try CausalEncoder(configuration, parameters["encoder"])
    quantConv = try CausalConv3d(
      2 * channels, 2 * channels, frames: 1, side: 1, parameters["quant_conv"])
    postQuantConv = try CausalConv3d(
      channels, channels, frames: 1, side: 1, parameters["post_quant_conv"])
    decoder = try CausalDecoder(configuration, parameters["decoder"])
  }

  /// The distribution of the latents. `[B, 3, H, W] -> [B, C, h, w]`, or
  /// `[B, 3, F, H, W] -> [B, C, f, h, w]`
  ///
  /// - Parameter tile: the size of the tiles that larger images are cut into; nil encodes every
  ///   image whole.
  public func encode(_ images: Tensor, tile: TileSize? = nil) -> LatentDistribution {
    let moments = asVideo(images) { video in
      let frames = video.shape[2]
      precondition(
        frames % encodedFrames == 1, "the frames of a video are 1 + 4 n, not \(frames)")
      return inTiles(video, inputScale: configuration.spatialFactor, outputScale: 1, tile) {
        quantConv(inChunks($0, length: encodedFrames) { encoder($0, $1) })
      }
    }
    return LatentDistribution(moments: moments)
  }

  /// Images in -1...1. `[B, C, h, w] -> [B, 3, H, W]`, or `[B, C, f, h, w] -> [B, 3, F, H, W]`
  ///
  /// - Parameter tile: the size of the tiles that larger latents are cut into; nil decodes every
  ///   latent whole.
  public func decode(_ latents: Tensor, tile: TileSize? = nil) -> Tensor {
    asVideo(latents) { video in
      inTiles(video, inputScale: 1, outputScale: configuration.spatialFactor, tile) {
        inChunks(postQuantConv($0), length: 1) { decoder($0, $1) }
      }
    }.clamped(-1, 1)
  }

  /// Runs `network` on images as on videos of one frame.
  private func asVideo(_ input: Tensor, _ network: (Tensor) -> Tensor) -> Tensor {
    input.rank == 4
      ? network(input.unsqueezed(2).channelsLast()).squeezed(2) : network(input.channelsLast())
  }

  /// Scales are pixels per latent pixel.
  private func inTiles(
    _ input: Tensor, inputScale: Int, outputScale: Int, _ tile: TileSize?,
    _ network: (Tensor) -> Tensor
  ) -> Tensor {
    guard let tile else { return network(input) }
    return Tiling(tile, inputScale: inputScale, outputScale: outputScale)(input, network)
  }

  /// Converts latents of the autoencoder to latents of the transformer: `(z - mean) / std`.
  public func normalized(_ latents: Tensor) -> Tensor {
    (latents - perChannel(configuration.latentsMean, latents))
      / perChannel(configuration.latentsStd, latents)
  }

  /// Converts latents of the transformer to latents of the autoencoder: `x std + mean`.
  public func denormalized(_ latents: Tensor) -> Tensor {
    // Divided by the reciprocal, as in diffusers' pipeline.
    latents / (1 / perChannel(configuration.latentsStd, latents))
      + perChannel(configuration.latentsMean, latents)
  }

  /// One value per channel, in the precision of the latents. `-> [C, 1, 1]` or `[C, 1, 1, 1]`
  private func perChannel(_ values: [Double], _ latents: Tensor) -> Tensor {
    let ones = Array(repeating: 1, count: latents.rank - 2)
    return Tensor(values.map { Float($0) }, shape: [values.count] + ones)
      .to(latents.dtype).to(latents.device)
  }
}

/// Frames of a video that are encoded at a time, after the first.
private let encodedFrames = 4
