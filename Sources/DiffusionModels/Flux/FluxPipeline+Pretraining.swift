package import FlowMatching
import TextTokenizers
package import Torch
package import TorchNN

extension FluxPipeline: PretrainableModel {
  /// A model without a guidance input.
  package init(
    untrained shape: TransformerShape, text: TextEncoderShape, className: String,
    vocabularyOf texts: [String], autoencoder: StoredNetwork<AutoencoderKL>,
    scheduler: SchedulerConfiguration, generator: Generator
  ) throws(PipelineError) {
    let clipTokenizer = try text.clipTokenizer(of: texts)
    let t5Tokenizer = try wrapping(PipelineError.tokenizer) { () throws(TokenizerError) in
      try T5Tokenizer(trainedOn: texts, modelMaxLength: text.tokens)
    }
    let clip = try StoredNetwork(untrained: generator) { parameters throws(ParameterError) in
      try CLIPTextModel(
        CLIPTextModelConfiguration(
          text.configuration(clipTokenizer, activation: .quickGELU)), parameters)
    }
    let t5 = try StoredNetwork(untrained: generator) { parameters throws(ParameterError) in
      try T5EncoderModel(T5Configuration(text, t5Tokenizer), parameters)
    }
    let side = shape.latentSide * autoencoder.network.configuration.spatialFactor
    let size = ImageSize(height: side, width: side)
    let configuration = FluxTransformerConfiguration(shape, text)
    let takesSource = FluxModelIndex.takesSource(className)
    var defaults = Self.defaults(hasGuidance: false, takesSource: takesSource)
    defaults.maxSequenceLength = text.tokens
    try self.init(
      StoredNetwork(untrained: generator) { parameters throws(ParameterError) in
        try FluxTransformer2DModel(configuration, parameters)
      },
      autoencoder,
      text: FluxPromptEncoder(
        clip: clip, clipTokenizer, t5: t5, t5Tokenizer, maxSequenceLength: text.tokens,
        source: takesSource ? (autoencoder, size) : nil),
      scheduler, size, defaults, className: className, path: "the recipe")
  }

  package static func takesSource(_ className: String) -> Bool {
    FluxModelIndex.takesSource(className)
  }

  package static func fault(of shape: TransformerShape, _ text: TextEncoderShape) -> ShapeFault? {
    if shape.patch != 2 {
      return ShapeFault(key: "patch", reason: "\(classNames[0]) has patches of side 2")
    }
    do throws(ConfigurationProblem) {
      try FluxTransformerConfiguration(shape, text).validate()
      return nil
    } catch {
      return ShapeFault(
        key: "head_width",
        reason: "\(shape.headWidth) cannot be divided among a token's index, row and column; "
          + "take a multiple of 8 from 8 on")
    }
  }

  package static let hasTextProjection = false
  package static let isPretrainedWithGuidance = false

  package var pretrainedStores: [(folder: String, store: ParameterStore)] {
    [
      ("transformer", transformer.store), ("text_encoder", pretrainedText.clip.store),
      ("text_encoder_2", pretrainedText.t5.store),
    ]
  }

  package var pretrainedEncoder: any PromptEncoder { pretrainedText }

  package func tokens(of prompts: [String]) -> [[[Int]]] {
    let tokens = pretrainedText.tokens(of: prompts)
    return [tokens.clip, tokens.t5]
  }

  package func velocity(
    _ latents: Tensor, sigma: Tensor, tokens: [[[Int]]], sources: Tensor?
  ) -> Tensor {
    let text = pretrainedText
    return transformer.network(
      latents, timestep: sigma * Double(scheduler.trainingTimesteps), guidance: nil,
      embeddings: FluxConditioning(
        rows: text.t5.network(tokens[1]), pooled: text.clip.network(tokens[0]).pooled,
        source: sources.map { FluxSource($0) }))
  }

  private var pretrainedText: FluxPromptEncoder {
    guard let text else { preconditionFailure("the pipeline has no text encoders") }
    return text
  }
}

extension FluxPromptEncoder {
  /// Writes text encoders and tokenizers.
  func write(to folder: String) throws(PipelineError) {
    try PipelineWriter.writeNetwork(
      CLIPTextModelConfiguration(clip.network.configuration), clip.store,
      folder: "\(folder)/text_encoder", weights: transformersWeights)
    try PipelineWriter.writeNetwork(
      t5.network.configuration, t5.store, folder: "\(folder)/text_encoder_2",
      weights: transformersWeights)
    try wrapping(PipelineError.tokenizer) { () throws(TokenizerError) in
      try clipTokenizer.write(to: "\(folder)/tokenizer")
      try t5Tokenizer.write(to: "\(folder)/tokenizer_2")
    }
  }
}

extension FluxTransformerConfiguration {
  /// One eighth of a head rotates with a token's index, the rest with its row and column, as in
  /// FLUX.1.
  fileprivate init(_ shape: TransformerShape, _ text: TextEncoderShape) {
    self.init()
    inChannels = 4 * shape.latentChannels
    outChannels = inChannels
    numLayers = shape.layers
    numSingleLayers = shape.singleLayers
    attentionHeadDim = shape.headWidth
    numAttentionHeads = shape.heads
    jointAttentionDim = text.width
    pooledProjectionDim = text.width
    let side = shape.headWidth * 7 / 16 / 2 * 2
    axesDimsRope = [shape.headWidth - 2 * side, side, side]
  }
}

extension T5Configuration {
  fileprivate init(_ shape: TextEncoderShape, _ tokenizer: T5Tokenizer) {
    self.init()
    vocabSize = tokenizer.vocabularyCount
    dModel = shape.width
    dKv = shape.width / shape.heads
    dFf = 4 * shape.width
    numLayers = shape.layers
    numHeads = shape.heads
  }
}
