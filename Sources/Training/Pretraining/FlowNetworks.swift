import DiffusionModels
import TextTokenizers
import Torch
import TorchNN

extension PretrainedText {
  /// New text encoders with initial weights from `generator`, one per tokenizer.
  init(
    _ recipe: TextEncoderRecipe, _ tokenizers: [CLIPTokenizer], generator: Generator
  ) throws(ParameterError) {
    // As in Stable Diffusion 3: CLIP-L with the quick GELU first, then CLIP-G with the exact one.
    let activations: [CLIPTextConfiguration.Activation] = [.quickGELU, .gelu]
    var encoders: [StoredNetwork<CLIPTextModelWithProjection>] = []
    for (tokenizer, activation) in zip(tokenizers, activations) {
      let store = ParameterStore(.random(generator), trainable: .full)
      let network = try CLIPTextModelWithProjection(
        recipe.configuration(tokenizer, activation: activation), store.root)
      try store.finish()
      encoders.append(StoredNetwork(network, store))
    }
    self.init(encoders: encoders, tokenizers: tokenizers)
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
  /// The shape of the transformer.
  func transformerShape(latentSide: Int) -> TransformerShape {
    TransformerShape(
      latentSide: latentSide, latentChannels: autoencoder.latentChannels, patch: transformer.patch,
      layers: transformer.layers, heads: transformer.heads, headWidth: transformer.headWidth)
  }
}
