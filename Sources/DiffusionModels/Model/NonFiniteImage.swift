package import Torch

/// Why latents are no image: the network or the decoder that made them left the range of numbers.
package enum NonFiniteImage: Error, Sendable, Hashable, CustomStringConvertible {
  /// The latents that a transformer of this precision made.
  case latents(DType)
  /// The pixels that a decoder of this precision made of finite latents.
  case pixels(DType)

  /// `non-finite latents (float16)`
  package var description: String {
    switch self {
    case .latents(let dtype): "non-finite latents (\(dtype))"
    case .pixels(let dtype): "non-finite pixels from the autoencoder (\(dtype))"
    }
  }
}
