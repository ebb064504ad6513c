import Foundation
import Torch
import TorchNN

extension QwenImagePipeline {
  public static func metadata(
    of source: ModelSource, training: TrainableWeights
  ) throws(PipelineError) -> FlowModelMetadata {
    let store = ParameterStore(
      .meta, device: .meta, adapters: training.adapters.map { ($0, .meta) },
      trainable: training == .full ? .full : .adapters)
    let (transformer, transformerSize) = try NetworkSize.measure(
      "transformer", of: source, store, isUsed: { _ in true }, QwenImageTransformer2DModel.init)
    let (autoencoder, autoencoderSize) = try NetworkSize.measure(
      "vae", of: source, isUsed: { !$0.hasPrefix("encoder.") && !$0.hasPrefix("quant_conv.") },
      AutoencoderKLQwenImage.init)
    let geometry = try ImageGeometry(
      source.imageSize, transformer, autoencoder, path: source.folder)
    // A bound: a run evaluates the length of its longest prompt.
    let textTokens = QwenImageConditioning.width(ofLongest: sequenceLength(source))
    let imageTokens = geometry.imageTokens
    let latentShape = [
      transformer.latentChannels, geometry.latentHeight, geometry.latentWidth,
    ]
    let promptElements = textTokens * transformer.jointAttentionDim
    return FlowModelMetadata(
      geometry: geometry, latentShape: latentShape,
      sizes: NetworkSizes(
        transformer: transformerSize, autoencoder: autoencoderSize,
        textEncoders: try textEncoders(source)),
      trainableParameters: store.trainable.reduce(0) { $0 + $1.tensor.count },
      promptElements: promptElements, cachedPromptElements: promptElements,
      work: transformer.work(imageTokens: imageTokens, textTokens: textTokens, training),
      activations: { elementBytes in
        transformer.activations(
          imageTokens: imageTokens, textTokens: textTokens, elementBytes: elementBytes, training)
      },
      decodingBytes: { elementBytes, _ in
        autoencoder.decodingBytes(
          height: latentShape[1], width: latentShape[2], elementBytes: elementBytes)
      }, largestDecoded: autoencoder.largestDecoded(height: latentShape[1], width: latentShape[2]))
  }

  /// The language model, if the folder holds it; it may be removed once prompts are encoded.
  private static func textEncoders(_ source: ModelSource) throws(PipelineError) -> [NetworkSize] {
    guard FileManager.default.fileExists(atPath: "\(source.folder)/text_encoder/config.json")
    else { return [] }
    return [
      try NetworkSize.measure(
        "text_encoder", of: source, isUsed: { !$0.hasSuffix("embed_tokens.weight") },
        Qwen25LanguageModel.init
      ).1
    ]
  }
}
