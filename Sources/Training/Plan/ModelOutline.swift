internal import DiffusionModels
internal import Foundation
internal import Torch
internal import TorchNN

/// What a model folder says of its size, without its weights being read.
struct ModelOutline {
  /// Numbers that learn under the recipe.
  let learnedParameters: Int
  /// Numbers of the transformer, adapters not counted.
  let transformerParameters: Int
  /// Bytes of all weight files of the folder.
  let weightBytes: Int
  /// D, numbers of one latent.
  let latentCount: Int
  /// Bytes that one row's forward pass keeps for the backward pass, about.
  let activationBytesPerRow: Int

  /// Reads `transformer/config.json` and builds the transformer without memory.
  ///
  /// - Throws: `TrainingError.model` when the folder is not a Stable Diffusion 3 pipeline, or an
  ///   adapter target matches nothing; whatever is wrong with `init_lora`.
  init(_ recipe: TrainingRecipe) throws(TrainingError) {
    let configuration: SD3TransformerConfiguration
    do throws(ModelError) {
      configuration = try SD3TransformerConfiguration(
        contentsOf: recipe.model + "/transformer/config.json")
    } catch {
      throw .model(error.description)
    }
    do throws(ParameterError) {
      let store = ParameterStore(
        .meta, device: .meta, adapters: recipe.learning.adapters.map { ($0, .meta) },
        trainable: recipe.learning == .full ? .full : .adapters)
      _ = try SD3Transformer2DModel(configuration, store.root)
      try store.finish()
      learnedParameters = store.trainable.reduce(0) { $0 + $1.tensor.count }
      transformerParameters = store.weights.reduce(0) { $0 + $1.tensor.count }
    } catch {
      throw .model("\(recipe.model): \(error.description)")
    }
    _ = try recipe.initialAdapters()
    weightBytes = try Self.weightBytes(recipe.model)
    let side = configuration.sampleSize
    latentCount = configuration.inChannels * side * side
    // Per block and token about 34 activations of the width, and the attention matrix, once per
    // head (Korthikanti and others, arXiv 2205.05198); the text tokens are as many again.
    let tokens = 2 * (side / configuration.patchSize) * (side / configuration.patchSize)
    let perBlock =
      34 * tokens * configuration.width + 2 * configuration.numAttentionHeads * tokens * tokens
    activationBytesPerRow = configuration.numLayers * perBlock * 4
  }

  private static func weightBytes(_ folder: String) throws(TrainingError) -> Int {
    do {
      var total = 0
      for name in try FileManager.default.subpathsOfDirectory(atPath: folder)
      where name.hasSuffix(".safetensors") {
        let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")
        total += (attributes[.size] as? NSNumber)?.intValue ?? 0
      }
      return total
    } catch {
      throw .model("\(folder) cannot be listed: \(error.localizedDescription)")
    }
  }
}
