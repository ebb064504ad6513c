extension AutoencoderKLConfiguration {
  /// Peak bytes of decoding one latent, without gradients.
  ///
  /// - Parameters:
  ///   - height: of the latent.
  ///   - width: of the latent.
  /// - elementBytes: bytes of one element of the weights, 2 or 4.
  public func decodingBytes(height: Int, width: Int, elementBytes: Int) -> Int {
    func copy(_ channels: Int) -> Int { Self.copy(channels, elementBytes) }
    var pixels = height * width
    var channels = blockOutChannels[blockOutChannels.count - 1]
    var peak = channels * pixels * 4
    for (level, next) in blockOutChannels.reversed().enumerated() {
      // The residual block keeps its input for the sum.
      peak = max(peak, pixels * (2 * channels + copy(channels) + next))
      peak = max(peak, pixels * (channels + 2 * next + copy(next)))
      channels = next
      if level < blockOutChannels.count - 1 {
        peak = max(peak, pixels * channels + 4 * pixels * (2 * channels + copy(channels)))
        pixels *= 4
      }
    }
    return peak * elementBytes
  }

  /// Peak bytes of encoding one image, without gradients.
  ///
  /// - Parameters:
  ///   - height: of the image.
  ///   - width: of the image.
  ///   - elementBytes: bytes of one element of the weights, 2 or 4.
  public func encodingBytes(height: Int, width: Int, elementBytes: Int) -> Int {
    func copy(_ channels: Int) -> Int { Self.copy(channels, elementBytes) }
    var pixels = height * width
    var channels = blockOutChannels[0]
    var peak = pixels * (inChannels + copy(inChannels) + channels)
    for (level, next) in blockOutChannels.enumerated() {
      // The residual block keeps its input for the sum.
      peak = max(peak, pixels * (2 * channels + copy(channels) + next))
      peak = max(peak, pixels * (channels + 2 * next + copy(next)))
      channels = next
      if level < blockOutChannels.count - 1 {
        // The padded copy of the input, and the output of a quarter of the pixels.
        peak = max(peak, pixels * (2 * channels + copy(channels) + channels / 4))
        pixels /= 4
      }
    }
    return peak * elementBytes
  }

  /// A convolution holds its input and its output. In float32 it holds a copy of the input in the
  /// kernel's layout as well; in 16 bits (`channelsLast`) about a quarter of it.
  private static func copy(_ channels: Int, _ elementBytes: Int) -> Int {
    elementBytes == 2 ? channels / 4 : channels
  }
}
