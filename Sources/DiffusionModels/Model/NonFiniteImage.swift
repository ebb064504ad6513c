package import Torch

/// The reason why an image could not be decoded: the transformer or the decoder overflowed.
package enum NonFiniteImage: Error, Sendable, Hashable, CustomStringConvertible {
  /// Latents from a transformer in this precision.
  case latents(DType)
  /// Pixels from a decoder in this precision, for finite latents.
  case pixels(DType)

  /// `non-finite latents (float16)`
  package var description: String {
    switch self {
    case .latents(let dtype): "non-finite latents (\(dtype))"
    case .pixels(let dtype): "non-finite pixels from the autoencoder (\(dtype))"
    }
  }
}
