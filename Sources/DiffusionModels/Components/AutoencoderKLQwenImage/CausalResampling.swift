import Torch
import TorchNN

/// Which dimensions change between two resolutions of the autoencoder.
enum ResampledDimensions {
  /// Height and width.
  case space
  /// Height, width and the number of frames.
  case spaceAndTime
}

/// Half the height and width, and half the frames after the first (diffusers' `QwenImageResample`
/// in the modes `downsample2d` and `downsample3d`).
struct CausalDownsample: CausalLayer {
  private let conv: Conv2d
  private let timeConv: CausalConv3d?

  init(
    _ channels: Int, _ dimensions: ResampledDimensions, _ parameters: ParameterScope
  ) throws(ParameterError) {
    conv = try Conv2d(channels, channels, kernel: 3, stride: 2, parameters["resample"][1])
    timeConv =
      dimensions == .spaceAndTime
      ? try CausalConv3d(
        channels, channels, frames: 3, side: 1, stride: 2, parameters["time_conv"]) : nil
  }

  /// `[B, C, T, h, w] -> [B, C, T or T / 2, h / 2, w / 2]`; a first chunk keeps its frame.
  func callAsFunction(_ x: Tensor, _ cache: FrameCache?) -> Tensor {
    // Pads one column on the right and one row below, so that the stride of 2 covers all pixels.
    let hidden = onEachFrame(x) { conv($0.padded([0, 1, 0, 1], value: 0)) }
    guard let timeConv, let cache else { return hidden }
    let previous = cache.exchange(hidden, of: timeConv)
    return cache.isFirstChunk ? hidden : timeConv(hidden, after: previous)
  }
}

/// Twice the frames after the first, twice the height and width, and half the channels (diffusers'
/// `QwenImageResample` in the modes `upsample2d` and `upsample3d`).
struct CausalUpsample: CausalLayer {
  private let conv: Conv2d
  /// Two frames of each, in its channels.
  private let timeConv: CausalConv3d?

  init(
    _ channels: Int, _ dimensions: ResampledDimensions, _ parameters: ParameterScope
  ) throws(ParameterError) {
    conv = try Conv2d(channels, channels / 2, kernel: 3, padding: 1, parameters["resample"][1])
    timeConv =
      dimensions == .spaceAndTime
      ? try CausalConv3d(channels, 2 * channels, frames: 3, side: 1, parameters["time_conv"])
      : nil
  }

  /// `[B, C, T, h, w] -> [B, C / 2, T or 2 T, 2 h, 2 w]`
  ///
  /// A first chunk keeps its frame; the convolution over time takes the second frame for its first.
  func callAsFunction(_ x: Tensor, _ cache: FrameCache?) -> Tensor {
    var hidden = x
    if let timeConv, let cache, !cache.isFirstChunk {
      hidden = Self.unfolded(timeConv(x, cache))
    }
    return onEachFrame(hidden) { conv($0.upsampledNearest(factor: 2)) }
  }

  /// Two frames of the halves of a frame's channels. `[B, 2 C, T, h, w] -> [B, C, 2 T, h, w]`
  private static func unfolded(_ x: Tensor) -> Tensor {
    let shape = x.shape
    let (channels, frames) = (shape[1] / 2, shape[2])
    // The channels of a pixel stay side by side: [B, T, 2, h, w, C]
    return x.reshaped([shape[0], 2, channels, frames, shape[3], shape[4]])
      .permuted([0, 3, 1, 4, 5, 2])
      .reshaped([shape[0], 2 * frames, shape[3], shape[4], channels])
      .permuted([0, 4, 1, 2, 3])
  }
}
