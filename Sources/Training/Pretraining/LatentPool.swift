import DiffusionModels
import Torch

/// The latents of the rendered images, encoded once: the training data of the flow.
struct LatentPool {
  /// `[N, C, h, w]`, normalized to mean 0 and standard deviation 1 over all elements.
  let latents: Tensor
  /// The latents of the source images, normalized in the same way; nil for a task without.
  let sources: Tensor?
  /// The mean before normalization: the autoencoder's `shift_factor`.
  let shift: Double
  /// The reciprocal of the standard deviation before normalization: the autoencoder's
  /// `scaling_factor`.
  let scale: Double

  /// Encodes every image to the mean of its distribution.
  init(_ images: RenderedImages, _ autoencoder: AutoencoderKL, batch: Int = 256) {
    func encoded(_ bytes: Tensor) -> Tensor {
      withoutGradient {
        Tensor.cat(
          stride(from: 0, to: images.count, by: batch).map { start in
            let part = bytes.narrowed(
              dim: 0, start: start, length: min(batch, images.count - start))
            return autoencoder.encode(RenderedImages.normalized(part)).mean
          }, dim: 0)
      }
    }
    let raw = encoded(images.bytes)
    let shift = raw.mean().item()
    let scale = 1 / (raw - shift).squared().mean().item().squareRoot()
    latents = (raw - shift) * scale
    sources = images.sources.map { (encoded($0) - shift) * scale }
    self.shift = shift
    self.scale = scale
  }

  var count: Int { latents.shape[0] }
}
