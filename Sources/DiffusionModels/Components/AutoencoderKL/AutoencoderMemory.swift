public import Torch

extension AutoencoderKLConfiguration {
  /// Peak bytes of decoding one latent, without gradients.
  ///
  /// - Parameters:
  ///   - height: of the latent.
  ///   - width: of the latent.
  ///   - elementBytes: bytes of one element of the weights, 2 or 4.
  ///   - device: where it is computed.
  public func decodingBytes(
    height: Int, width: Int, elementBytes: Int, device: Device
  ) -> Int {
    func copies(_ inputs: Int, _ outputs: Int) -> Int {
      Self.copies(inputs, outputs, elementBytes, device)
    }
    var pixels = height * width
    var channels = blockOutChannels[blockOutChannels.count - 1]
    var peak = channels * pixels * 4
    for (level, next) in blockOutChannels.reversed().enumerated() {
      // The residual block keeps its input for the sum.
      peak = max(peak, pixels * (2 * channels + copies(channels, next) + next))
      peak = max(peak, pixels * (channels + 2 * next + copies(next, next)))
      channels = next
      if level < blockOutChannels.count - 1 {
        let enlarged = 2 * channels + copies(channels, channels)
        peak = max(peak, pixels * channels + 4 * pixels * enlarged)
        pixels *= 4
      }
    }
    return peak * elementBytes
  }

  /// Elements of the largest activation of decoding one latent.
  ///
  /// - Parameters:
  ///   - height: of the latent.
  ///   - width: of the latent.
  public func largestDecoded(height: Int, width: Int) -> Int {
    largestActivation(pixels: height * width, channels: blockOutChannels.reversed())
  }

  /// Peak bytes of encoding one image, without gradients.
  ///
  /// - Parameters:
  ///   - height: of the image.
  ///   - width: of the image.
  ///   - elementBytes: bytes of one element of the weights, 2 or 4.
  ///   - device: where it is computed.
  public func encodingBytes(
    height: Int, width: Int, elementBytes: Int, device: Device
  ) -> Int {
    func copies(_ inputs: Int, _ outputs: Int) -> Int {
      Self.copies(inputs, outputs, elementBytes, device)
    }
    var pixels = height * width
    var channels = blockOutChannels[0]
    var peak = pixels * (inChannels + copies(inChannels, channels) + channels)
    for (level, next) in blockOutChannels.enumerated() {
      // The residual block keeps its input for the sum.
      peak = max(peak, pixels * (2 * channels + copies(channels, next) + next))
      peak = max(peak, pixels * (channels + 2 * next + copies(next, next)))
      channels = next
      if level < blockOutChannels.count - 1 {
        // The padded copy of the input, and the output of a quarter of the pixels.
        let quarter = channels / 4
        peak = max(peak, pixels * (2 * channels + copies(channels, quarter) + quarter))
        pixels /= 4
      }
    }
    return peak * elementBytes
  }

  /// Elements per pixel beside a convolution's input and output. In float32 it holds a copy of the
  /// input in the kernel's layout; on a CPU in 16 bits (`channelsLast`) about a quarter of it. On a
  /// GPU in 16 bits, where `group_norm` of libtorch returns row-major storage, cuDNN's kernels
  /// convert input and output.
  private static func copies(
    _ inputs: Int, _ outputs: Int, _ elementBytes: Int, _ device: Device
  ) -> Int {
    guard elementBytes == 2 else { return inputs }
    return device == .cpu ? inputs / 4 : inputs + outputs
  }
}

/// Elements of the largest input or output of a convolution in a decoder of several levels that
/// doubles height and width after each level but the last, with the level's own channels.
///
/// - Parameters:
///   - pixels: of the first level.
///   - channels: of each level, lowest resolution first.
func largestActivation(pixels: Int, channels: [Int]) -> Int {
  let last = channels.count - 1
  return channels.enumerated().map { level, channels in
    (pixels * channels) << (2 * min(level + 1, last))
  }.max() ?? 0
}
