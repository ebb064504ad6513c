import DiffusionModels
import ImageFiles
import Torch
import TorchNN

/// Schuhmann's improved aesthetic predictor: a small network on the embedding of OpenAI's CLIP
/// ViT-L/14, trained on people's ratings from 1 to 10. The prompt has no effect.
struct AestheticNetwork: ScoringNetwork {
  private let vision: CLIPVisionModelWithProjection
  private let head: AestheticHead
  private let processor: CLIPImageProcessor
  private let device: Device

  /// Loads the image tower and, from `aesthetic.safetensors` beside it, the head.
  ///
  /// - Throws: ``RewardError`` for a folder that lacks a file, or whose files do not fit together.
  init(_ settings: NetworkSettings) throws(RewardError) {
    let folder = try WeightsFolder(settings, contents: AestheticFactory.contents)
    let configuration: CLIPConfiguration = try folder.configuration()
    processor = try .read(folder, for: configuration.vision)
    // The text tower, in the same file, is not used.
    vision = try folder.network(try folder.checkpoint(), settings, isWhole: false) {
      parameters throws(ParameterError) in
      try CLIPVisionModelWithProjection(configuration.vision, parameters)
    }
    let weights = try folder.checkpoint("aesthetic")
    head = try folder.network(weights, settings, dtype: .float32) {
      parameters throws(ParameterError) in
      try AestheticHead(inputs: configuration.projectionDim, weights, parameters)
    }
    device = settings.device
  }

  func scores(_ batch: [RewardSample]) -> [Double] {
    head(vision(processor(batch.map(\.image), on: device)).unitRows()).doubles()
  }
}

/// Five linear layers without activations; the published widths are 768, 1024, 128, 64, 16 and 1.
/// The missing numbers belong to dropout layers, which are inactive in inference.
private struct AestheticHead {
  private let layers: [Linear]

  /// - Parameter weights: their shapes are the widths of the layers.
  init(
    inputs: Int, _ weights: WeightsFile, _ parameters: ParameterScope
  ) throws(ParameterError) {
    var width = inputs
    var layers: [Linear] = []
    for number in [0, 2, 4, 6, 7] {
      let outputs = weights.tensors["layers.\(number).bias"]?.shape.first ?? 1
      layers.append(try Linear(width, outputs, parameters["layers"][number]))
      width = outputs
    }
    self.layers = layers
  }

  /// `[B, inputs] -> [B]`
  func callAsFunction(_ embeddings: Tensor) -> Tensor {
    layers.reduce(embeddings) { $1($0) }.flattened()
  }
}
