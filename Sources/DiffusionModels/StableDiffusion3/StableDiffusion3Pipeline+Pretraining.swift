package import FlowMatching
package import Torch
package import TorchNN

extension StableDiffusion3Pipeline: PretrainableModel {
  package init(
    untrained shape: TransformerShape, text: PretrainedText,
    autoencoder: StoredNetwork<AutoencoderKL>, scheduler: SchedulerConfiguration,
    generator: Generator
  ) throws(PipelineError) {
    let store = ParameterStore(.random(generator), trainable: .full)
    let network = try wrapping(PipelineError.parameters) { () throws(ParameterError) in
      let network = try SD3Transformer2DModel(
        SD3TransformerConfiguration(shape, text.encoders.map(\.network.configuration)), store.root)
      try store.finish()
      return network
    }
    try self.init(
      transformer: StoredNetwork(network, store), autoencoder: autoencoder,
      text: SD3PromptEncoder(textEncoders: text.encoders, tokenizers: text.tokenizers),
      scheduler: scheduler)
  }

  package var pretrainedParameters: [ParameterStore.Named] {
    textStores.reduce(transformer.store.trainable.map { ("transformer.\($0.name)", $0.tensor) }) {
      parameters, text in
      parameters + text.store.trainable.map { ("\(text.folder).\($0.name)", $0.tensor) }
    }
  }

  package var pretrainedEncoder: any PromptEncoder {
    guard let text else { preconditionFailure("the pipeline has no text encoders") }
    return text
  }

  package var parameterCounts: [String: Int] {
    let stores = [("vae", autoencoder.store), ("transformer", transformer.store)] + textStores
    return Dictionary(
      uniqueKeysWithValues: stores.map { folder, store in
        (folder, store.parameters.reduce(0) { $0 + $1.tensor.count })
      })
  }

  package func velocity(_ latents: Tensor, sigma: Tensor, tokens: [[[Int]]]) -> Tensor {
    guard let text else { preconditionFailure("the pipeline has no text encoders") }
    let outputs = zip(text.textEncoders, tokens).map { $0.network($1) }
    return transformer.network(
      latents, timestep: sigma * Double(scheduler.trainingTimesteps),
      embeddings: SD3Conditioning(
        rows: Tensor.cat(outputs.map(\.penultimate), dim: 2),
        pooled: Tensor.cat(outputs.map(\.pooled), dim: 1),
        zeroRowCount: text.maxSequenceLength))
  }

  private var textStores: [(folder: String, store: ParameterStore)] {
    zip(clipSuffixes, text?.textEncoders ?? []).map { ("text_encoder\($0)", $1.store) }
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
