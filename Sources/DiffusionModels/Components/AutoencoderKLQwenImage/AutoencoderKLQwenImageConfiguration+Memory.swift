extension AutoencoderKLQwenImageConfiguration {
  /// Peak bytes of decoding the latent of one image, without gradients.
  ///
  /// - Parameters:
  ///   - height: of the latent.
  ///   - width: of the latent.
  ///   - elementBytes: bytes of one element of the weights, 2 or 4.
  public func decodingBytes(height: Int, width: Int, elementBytes: Int) -> Int {
    let widths: [Int] = levelChannels.reversed()
    var pixels = height * width
    var channels = widths[0]
    var peak = pixels * Self.blockElements(channels, channels, elementBytes)
    for (level, next) in widths.enumerated() {
      peak = max(peak, pixels * Self.blockElements(channels, next, elementBytes))
      peak = max(peak, pixels * Self.blockElements(next, next, elementBytes))
      channels = next
      if level < widths.count - 1 {
        // The input, its enlarged copy and the output of half the channels.
        peak = max(peak, pixels * (channels + 4 * (channels + channels / 2)))
        pixels *= 4
        channels /= 2
      }
    }
    return peak * elementBytes
  }

  /// Elements of the largest activation of decoding the latent of one image.
  ///
  /// - Parameters:
  ///   - height: of the latent.
  ///   - width: of the latent.
  public func largestDecoded(height: Int, width: Int) -> Int {
    largestActivation(pixels: height * width, channels: levelChannels.reversed())
  }

  /// The most elements per pixel that a residual block holds, with its input, which it keeps for
  /// the sum.
  private static func blockElements(_ inputs: Int, _ outputs: Int, _ elementBytes: Int) -> Int {
    // A norm in 16 bits holds a copy in float32 as well.
    let norms = elementBytes == 2 ? inputs + max(3 * inputs, 4 * outputs) : 0
    return max(norms, 2 * inputs + outputs, inputs + 2 * outputs)
  }
}
