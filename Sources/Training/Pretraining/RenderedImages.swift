import Foundations
import ImageFiles
import Rewards
import ShapeScenes
internal import Torch

/// Images of an embedded task, rendered once and stored as bytes.
struct RenderedImages {
  /// `[N, 3, 32, 32]`, uint8
  let bytes: Tensor
  /// The source image of each, in the same shape; nil for a task without.
  let sources: Tensor?
  /// The prompt of each image, as an index into the rendered prompts.
  let promptIndices: [Int]

  /// Renders `count` images, cycling through the prompts; image i depends on `seed` and i alone.
  init(
    _ prompts: [Prompt], of task: PretrainingTask, count: Int, seed: UInt64
  ) throws(PromptFault) {
    var drawings: [PretrainingTask.Drawing] = []
    for prompt in prompts { drawings.append(try task.drawing(of: prompt)) }
    promptIndices = (0..<count).map { $0 % prompts.count }
    var (pixels, sources): ([UInt8], [UInt8]) = ([], [])
    pixels.reserveCapacity(count * SceneRenderer.size * SceneRenderer.size * 3)
    for (image, prompt) in promptIndices.enumerated() {
      var generator = SplitMix64(seed: Self.seed(run: seed, image: image))
      let rendered = drawings[prompt](&generator)
      pixels += rendered.image.pixels
      sources += rendered.source?.pixels ?? []
    }
    bytes = Self.tensor(pixels, count: count)
    self.sources = task.hasSources ? Self.tensor(sources, count: count) : nil
  }

  var count: Int { promptIndices.count }

  /// The images with these indices as inputs of the autoencoder. `[B] -> [B, 3, 32, 32]`, -1...1
  func batch(_ indices: Tensor) -> Tensor { Self.normalized(bytes.indexSelect(dim: 0, indices)) }

  /// Images of `bytes` or `sources` as inputs of the autoencoder. `-> [B, 3, 32, 32]`, -1...1
  static func normalized(_ bytes: Tensor) -> Tensor { bytes.to(.float32) / 127.5 - 1 }

  private static func tensor(_ pixels: [UInt8], count: Int) -> Tensor {
    let size = SceneRenderer.size
    return Tensor(pixels, shape: [count, size, size, 3]).permuted([0, 3, 1, 2]).contiguous()
  }

  private static func seed(run: UInt64, image: Int) -> UInt64 {
    SplitMix64.mix(run) &+ UInt64(image) &* 0xD134_2543_DE82_EF95
  }
}
