extension AutoencoderKLConfiguration {
  /// Peak bytes of decoding one latent, without gradients.
  ///
  /// - Parameters:
  ///   - height: of the latent.
  ///   - width: of the latent.
  /// - elementBytes: bytes of one element of the weights, 2 or 4.
  public func decodingBytes(height: Int, width: Int, elementBytes: Int) -> Int {
    // A convolution holds its input, a copy of the input in the kernel's layout, and its output.
    var pixels = height * width
    var channels = blockOutChannels[blockOutChannels.count - 1]
    var peak = channels * pixels * 4
    for (level, next) in blockOutChannels.reversed().enumerated() {
      // The residual block keeps its input for the sum.
      peak = max(peak, pixels * (3 * channels + next))
      peak = max(peak, pixels * (channels + 3 * next))
      channels = next
      if level < blockOutChannels.count - 1 {
        peak = max(peak, pixels * channels + 12 * pixels * channels)
        pixels *= 4
      }
    }
    return peak * elementBytes
  }
}
