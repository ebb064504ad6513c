package import FlowMatching
import TextTokenizers
package import Torch
package import TorchNN

extension StableDiffusion3Pipeline: PretrainableModel {
  package init(
    untrained shape: TransformerShape, text: TextEncoderShape, className: String,
    vocabularyOf texts: [String], autoencoder: StoredNetwork<AutoencoderKL>,
    scheduler: SchedulerConfiguration, generator: Generator
  ) throws(PipelineError) {
    let tokenizer = try text.clipTokenizer(of: texts)
    var encoders: [StoredNetwork<CLIPTextModelWithProjection>] = []
    // CLIP-L with the quick GELU first, then CLIP-G with the exact one.
    for activation in [CLIPTextConfiguration.Activation.quickGELU, .gelu] {
      encoders.append(
        try StoredNetwork(untrained: generator) { parameters throws(ParameterError) in
          try CLIPTextModelWithProjection(
            text.configuration(tokenizer, activation: activation), parameters)
        })
    }
    let configuration = SD3TransformerConfiguration(
      shape, encoders.map(\.network.configuration))
    try self.init(
      transformer: StoredNetwork(untrained: generator) { parameters throws(ParameterError) in
        try SD3Transformer2DModel(configuration, parameters)
      },
      autoencoder: autoencoder,
      text: SD3PromptEncoder(
        textEncoders: encoders, tokenizers: encoders.map { _ in tokenizer }),
      scheduler: scheduler)
  }

  package static func takesSource(_ className: String) -> Bool { false }

  package static func fault(of shape: TransformerShape, _ text: TextEncoderShape) -> ShapeFault? {
    if shape.singleLayers > 0 {
      return ShapeFault(
        key: "single_layers", reason: "\(classNames[0]) has no blocks with one stream")
    }
    return (shape.heads * shape.headWidth).isMultiple(of: 4)
      ? nil
      : ShapeFault(key: "head_width", reason: "heads times head_width must be a multiple of 4")
  }

  package static let hasTextProjection = true
  package static let isPretrainedWithGuidance = true

  package var pretrainedStores: [(folder: String, store: ParameterStore)] {
    [("transformer", transformer.store)]
      + zip(clipSuffixes, pretrainedText.textEncoders).map { ("text_encoder\($0)", $1.store) }
  }

  package var pretrainedEncoder: any PromptEncoder { pretrainedText }

  package func tokens(of prompts: [String]) -> [[[Int]]] {
    pretrainedText.tokenizers.map { tokenizer in prompts.map { tokenizer.encodePadded($0) } }
  }

  package func velocity(
    _ latents: Tensor, sigma: Tensor, tokens: [[[Int]]], sources: Tensor?
  ) -> Tensor {
    precondition(sources == nil, "the model takes no source image")
    let text = pretrainedText
    let outputs = zip(text.textEncoders, tokens).map { $0.network($1) }
    return transformer.network(
      latents, timestep: sigma * Double(scheduler.trainingTimesteps),
      embeddings: SD3Conditioning(
        rows: Tensor.cat(outputs.map(\.penultimate), dim: 2),
        pooled: Tensor.cat(outputs.map(\.pooled), dim: 1),
        zeroRowCount: text.maxSequenceLength))
  }

  private var pretrainedText: SD3PromptEncoder {
    guard let text else { preconditionFailure("the pipeline has no text encoders") }
    return text
  }
}

extension SD3TransformerConfiguration {
  fileprivate init(_ shape: TransformerShape, _ texts: [CLIPTextConfiguration]) {
    self.init()
    sampleSize = shape.latentSide
    patchSize = shape.patch
    inChannels = shape.latentChannels
    outChannels = shape.latentChannels
    numLayers = shape.layers
    attentionHeadDim = shape.headWidth
    numAttentionHeads = shape.heads
    jointAttentionDim = texts.reduce(0) { $0 + $1.hiddenSize }
    captionProjectionDim = width
    pooledProjectionDim = texts.reduce(0) { $0 + $1.projectionDim }
    posEmbedMaxSize = shape.latentSide / shape.patch
    qkNorm = .rmsNorm
  }
}
