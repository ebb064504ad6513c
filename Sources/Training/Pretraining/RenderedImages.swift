import Foundations
import ImageFiles
import ShapeScenes
package import Torch

/// Images of the embedded task, rendered once and stored as bytes.
struct RenderedImages {
  /// `[N, 3, 32, 32]`, uint8
  let bytes: Tensor
  /// The prompt of each image, as an index into the rendered prompts.
  let promptIndices: [Int]

  /// Renders `count` images, cycling through the prompts; image i depends on `seed` and i alone.
  init(_ prompts: [ScenePrompt], count: Int, seed: UInt64) {
    let size = SceneRenderer.size
    promptIndices = (0..<count).map { $0 % prompts.count }
    var pixels: [UInt8] = []
    pixels.reserveCapacity(count * size * size * 3)
    for (image, prompt) in promptIndices.enumerated() {
      var generator = SplitMix64(seed: Self.seed(run: seed, image: image))
      pixels += SceneRenderer.render(prompts[prompt], using: &generator).pixels
    }
    bytes = Tensor(pixels, shape: [count, size, size, 3]).permuted([0, 3, 1, 2]).contiguous()
  }

  var count: Int { promptIndices.count }

  /// The images with these indices as inputs of the autoencoder. `[B] -> [B, 3, 32, 32]`, -1...1
  func batch(_ indices: Tensor) -> Tensor { Self.normalized(bytes.indexSelect(dim: 0, indices)) }

  /// Consecutive images. `-> [length, 3, 32, 32]`, -1...1
  func batch(from start: Int, length: Int) -> Tensor {
    Self.normalized(bytes.narrowed(dim: 0, start: start, length: length))
  }

  private static func normalized(_ bytes: Tensor) -> Tensor { bytes.to(.float32) / 127.5 - 1 }

  private static func seed(run: UInt64, image: Int) -> UInt64 {
    SplitMix64.mix(run) &+ UInt64(image) &* 0xD134_2543_DE82_EF95
  }
}
