import DiffusionModels
import DiffusionPipelines
import TextTokenizers
import Torch
import TorchNN

/// The networks of the second stage, which learn together: the transformer and both text encoders.
struct FlowNetworks {
  let transformer: StoredNetwork<SD3Transformer2DModel>
  let textEncoders: [StoredNetwork<CLIPTextModelWithProjection>]

  /// The folders of the text encoders in a pipeline.
  static let textFolders = ["text_encoder", "text_encoder_2"]

  /// New networks with initial weights from `generator`.
  ///
  /// - Parameters:
  ///   - latentSize: height and width of the latents.
  ///   - tokenizers: one per text encoder.
  init(
    _ recipe: PretrainingRecipe, latentSize: Int, tokenizers: [CLIPTokenizer],
    generator: Generator
  ) throws(ParameterError) {
    // As Stable Diffusion 3: CLIP-L with the quick GELU first, then CLIP-G with the exact one.
    let activations: [CLIPTextConfiguration.Activation] = [.quickGELU, .gelu]
    var textEncoders: [StoredNetwork<CLIPTextModelWithProjection>] = []
    for (tokenizer, activation) in zip(tokenizers, activations) {
      let store = ParameterStore(.random(generator), trainable: .full)
      let network = try CLIPTextModelWithProjection(
        recipe.textEncoder.configuration(tokenizer, activation: activation), store.root)
      try store.finish()
      textEncoders.append(StoredNetwork(network, store))
    }
    self.textEncoders = textEncoders
    let store = ParameterStore(.random(generator), trainable: .full)
    let network = try SD3Transformer2DModel(
      recipe.transformerConfiguration(latentSize: latentSize, textEncoders: tokenizers.count),
      store.root)
    try store.finish()
    transformer = StoredNetwork(network, store)
  }

  /// Everything that learns, in a fixed order; names begin with the component's folder.
  var trainable: [ParameterStore.Named] {
    let texts = zip(textEncoders, Self.textFolders).flatMap { encoder, folder in
      encoder.store.trainable.map { ("\(folder).\($0.name)", $0.tensor) }
    }
    return transformer.store.trainable.map { ("transformer.\($0.name)", $0.tensor) } + texts
  }

  /// What tokenized prompts tell the transformer, recorded for gradients. Per encoder, per prompt,
  /// its tokens.
  func condition(_ tokens: [[[Int]]], zeroRowCount: Int) -> TextCondition {
    let outputs = zip(textEncoders, tokens).map { $0.network($1) }
    return TextCondition(
      rows: Tensor.cat(outputs.map(\.penultimate), dim: 2),
      pooled: Tensor.cat(outputs.map(\.pooled), dim: 1), zeroRowCount: zeroRowCount)
  }
}

extension TextEncoderRecipe {
  func configuration(
    _ tokenizer: CLIPTokenizer, activation: CLIPTextConfiguration.Activation
  ) -> CLIPTextConfiguration {
    var configuration = CLIPTextConfiguration()
    configuration.vocabSize = tokenizer.vocabulary.count
    configuration.hiddenSize = width
    configuration.intermediateSize = 4 * width
    configuration.projectionDim = projection
    configuration.numHiddenLayers = layers
    configuration.numAttentionHeads = heads
    configuration.maxPositionEmbeddings = tokens
    configuration.hiddenAct = activation
    configuration.bosTokenId = tokenizer.startID
    configuration.eosTokenId = tokenizer.endID
    configuration.padTokenId = tokenizer.padID
    return configuration
  }
}

extension PretrainingRecipe {
  func transformerConfiguration(latentSize: Int, textEncoders: Int) -> SD3TransformerConfiguration {
    var configuration = SD3TransformerConfiguration()
    configuration.sampleSize = latentSize
    configuration.patchSize = transformer.patch
    configuration.inChannels = autoencoder.latentChannels
    configuration.outChannels = autoencoder.latentChannels
    configuration.numLayers = transformer.layers
    configuration.attentionHeadDim = transformer.headWidth
    configuration.numAttentionHeads = transformer.heads
    configuration.jointAttentionDim = textEncoder.width * textEncoders
    configuration.captionProjectionDim = configuration.width
    configuration.pooledProjectionDim = textEncoder.projection * textEncoders
    configuration.posEmbedMaxSize = latentSize / transformer.patch
    configuration.qkNorm = .rmsNorm
    return configuration
  }
}
