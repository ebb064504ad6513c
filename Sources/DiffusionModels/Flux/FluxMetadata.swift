import Foundation
import Torch
import TorchNN

extension FluxPipeline {
  public static func metadata(
    of source: ModelSource, training: TrainableWeights
  ) throws(PipelineError) -> FlowModelMetadata {
    let store = ParameterStore(
      .meta, device: .meta, adapters: training.adapters.map { ($0, .meta) },
      trainable: training == .full ? .full : .adapters)
    let (transformer, transformerSize) = try NetworkSize.measure(
      "transformer", of: source, store, isUsed: { _ in true }, FluxTransformer2DModel.init)
    let (autoencoder, autoencoderSize) = try NetworkSize.autoencoder(of: source)
    let geometry = try ImageGeometry(
      source.imageSize, transformer, autoencoder, path: source.folder)
    let textTokens = try sequenceLength(source)
    // A prompt for an edit is planned with a source image of the image's size.
    let takesSource = FluxModelIndex.takesSource(try FlowModelRegistry.className(of: source.folder))
    let imageTokens = (takesSource ? 2 : 1) * geometry.imageTokens
    let latentShape = [
      transformer.latentChannels, geometry.latentHeight, geometry.latentWidth,
    ]
    let promptElements =
      textTokens * transformer.jointAttentionDim + transformer.pooledProjectionDim
      + (takesSource ? latentShape.reduce(1, *) : 0)
    var metadata = FlowModelMetadata(
      geometry: geometry, latentShape: latentShape,
      sizes: NetworkSizes(
        transformer: transformerSize, autoencoder: autoencoderSize,
        textEncoders: try textEncoders(source)),
      trainableParameters: store.trainable.reduce(0) { $0 + $1.tensor.count },
      promptElements: promptElements, cachedPromptElements: promptElements,
      work: transformer.work(
        imageTokens: imageTokens, textTokens: textTokens, training),
      activations: { elementBytes in
        let memory = FluxTransformerMemory(
          transformer, imageTokens: imageTokens, textTokens: textTokens,
          elementBytes: elementBytes)
        return ActivationMemory(
          evaluation: memory.evaluation, kept: memory.kept(training),
          keptWithCheckpointing: memory.keptRecomputing(training), backward: memory.backward)
      },
      decodingBytes: { elementBytes, device in
        autoencoder.decodingBytes(
          height: latentShape[1], width: latentShape[2], elementBytes: elementBytes,
          device: device)
      }, largestDecoded: autoencoder.largestDecoded(height: latentShape[1], width: latentShape[2]))
    if takesSource {
      metadata.sourceEncodingBytes = { elementBytes, device in
        autoencoder.encodingBytes(
          height: geometry.image.height, width: geometry.image.width, elementBytes: elementBytes,
          device: device)
      }
    }
    return metadata
  }

  /// The text encoders that the folder holds; they may be removed once prompts are encoded.
  private static func textEncoders(_ source: ModelSource) throws(PipelineError) -> [NetworkSize] {
    func isThere(_ component: String) -> Bool {
      FileManager.default.fileExists(atPath: "\(source.folder)/\(component)/config.json")
    }
    var sizes: [NetworkSize] = []
    if isThere("text_encoder") {
      sizes.append(
        try NetworkSize.measure(
          "text_encoder", of: source, isUsed: { !$0.hasSuffix("token_embedding.weight") }
        ) {
          (configuration: CLIPTextModelConfiguration, parameters) throws(ParameterError) in
          try CLIPTextModel(configuration, parameters)
        }.1)
    }
    if isThere("text_encoder_2") {
      sizes.append(
        try NetworkSize.measure(
          "text_encoder_2", of: source, isUsed: { _ in true }, T5EncoderModel.init
        ).1)
    }
    return sizes
  }
}
