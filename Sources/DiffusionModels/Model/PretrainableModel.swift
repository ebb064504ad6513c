package import FlowMatching
import TextTokenizers
package import Torch
package import TorchNN

/// A family whose small models `pretrain` can create: an `AutoencoderKL`, and text encoders and a
/// transformer of given shapes that are trained together.
package protocol PretrainableModel: FlowModel {
  /// Creates a model with new weights for text encoders and transformer, drawn in this order.
  ///
  /// - Parameters:
  ///   - className: one of `classNames`.
  ///   - texts: the prompts of the tokenizers' vocabulary.
  /// - Throws: `PipelineError` if the parts are incompatible, `.parameters`, `.tokenizer`.
  init(
    untrained shape: TransformerShape, text: TextEncoderShape, className: String,
    vocabularyOf texts: [String], autoencoder: StoredNetwork<AutoencoderKL>,
    scheduler: SchedulerConfiguration, generator: Generator
  ) throws(PipelineError)

  /// Whether the pipeline of a class takes a source image with a prompt.
  static func takesSource(_ className: String) -> Bool

  /// Why no networks have these shapes, with the key of the recipe; nil if some have.
  static func fault(of shape: TransformerShape, _ text: TextEncoderShape) -> ShapeFault?

  /// Whether a pooled prompt is a projection, of width `TextEncoderShape.projection`.
  static var hasTextProjection: Bool { get }

  /// Whether the created models have guidance.
  static var isPretrainedWithGuidance: Bool { get }

  /// The networks that are trained, by their folders: the transformer, then the text encoders.
  var pretrainedStores: [(folder: String, store: ParameterStore)] { get }

  var autoencoder: StoredNetwork<AutoencoderKL> { get }

  /// The text encoders, which are trained as well.
  var pretrainedEncoder: any PromptEncoder { get }

  /// The padded token ids of prompts, per text encoder and prompt.
  func tokens(of prompts: [String]) -> [[[Int]]]

  /// The velocity under tokenized prompts; gradients are recorded through the text encoders as
  /// well.
  ///
  /// - Parameters:
  ///   - tokens: token ids of the prompts, per text encoder and row.
  ///   - sources: latents of the source images for an editing model. `[B, C, h, w]`
  func velocity(
    _ latents: Tensor, sigma: Tensor, tokens: [[[Int]]], sources: Tensor?
  ) -> Tensor
}

/// Why a shape cannot be had.
package struct ShapeFault: Error, Equatable {
  /// The key of the recipe's section `transformer`.
  package var key: String
  package var reason: String
}

/// The shape of a transformer that is trained from scratch.
package struct TransformerShape: Sendable {
  /// Side of the latents, in latent pixels.
  package var latentSide: Int
  package var latentChannels: Int
  /// Side of a patch, in latent pixels.
  package var patch: Int
  /// Blocks with two streams.
  package var layers: Int
  /// Blocks with one stream, after those.
  package var singleLayers: Int
  package var heads: Int
  package var headWidth: Int

  package init(
    latentSide: Int, latentChannels: Int, patch: Int, layers: Int, singleLayers: Int, heads: Int,
    headWidth: Int
  ) {
    self.latentSide = latentSide
    self.latentChannels = latentChannels
    self.patch = patch
    self.layers = layers
    self.singleLayers = singleLayers
    self.heads = heads
    self.headWidth = headWidth
  }
}

/// The shape of text encoders that are trained from scratch.
package struct TextEncoderShape: Sendable, Equatable {
  package var width: Int
  package var layers: Int
  package var heads: Int
  /// Width of a pooled prompt; nil for families without a projection.
  package var projection: Int?
  /// Tokens of a prompt, including the start and end tokens.
  package var tokens: Int
  /// Most merges of a byte pair tokenizer.
  package var merges: Int

  package init(
    width: Int, layers: Int, heads: Int, projection: Int?, tokens: Int, merges: Int
  ) {
    self.width = width
    self.layers = layers
    self.heads = heads
    self.projection = projection
    self.tokens = tokens
    self.merges = merges
  }

  /// A CLIP text encoder of this shape for a tokenizer.
  func configuration(
    _ tokenizer: CLIPTokenizer, activation: CLIPTextConfiguration.Activation
  ) -> CLIPTextConfiguration {
    var configuration = CLIPTextConfiguration()
    configuration.vocabSize = tokenizer.vocabulary.count
    configuration.hiddenSize = width
    configuration.intermediateSize = 4 * width
    configuration.projectionDim = projection ?? width
    configuration.numHiddenLayers = layers
    configuration.numAttentionHeads = heads
    configuration.maxPositionEmbeddings = tokens
    configuration.hiddenAct = activation
    configuration.bosTokenId = tokenizer.startID
    configuration.eosTokenId = tokenizer.endID
    configuration.padTokenId = tokenizer.padID
    return configuration
  }

  /// A byte pair tokenizer of the texts' words.
  func clipTokenizer(of texts: [String]) throws(PipelineError) -> CLIPTokenizer {
    try wrapping(PipelineError.tokenizer) { () throws(TokenizerError) in
      try CLIPTokenizer(
        vocabulary: .train(on: texts, mergeLimit: merges), modelMaxLength: tokens)
    }
  }
}

extension StoredNetwork {
  /// A network with new weights, all of them trained.
  init(
    untrained generator: Generator, _ build: (ParameterScope) throws(ParameterError) -> Network
  ) throws(PipelineError) {
    let store = ParameterStore(.random(generator), trainable: .full)
    let network = try wrapping(PipelineError.parameters) { () throws(ParameterError) in
      let network = try build(store.root)
      try store.finish()
      return network
    }
    self.init(network, store)
  }
}

extension PretrainableModel {
  /// The trainable parameters in a fixed order; names begin with the component's folder.
  package var pretrainedParameters: [ParameterStore.Named] {
    pretrainedStores.flatMap { folder, store in
      store.trainable.map { ("\(folder).\($0.name)", $0.tensor) }
    }
  }

  /// Number of parameters of each component, by its folder.
  package var parameterCounts: [String: Int] {
    let stores = [("vae", autoencoder.store)] + pretrainedStores
    return Dictionary(
      uniqueKeysWithValues: stores.map { folder, store in
        (folder, store.parameters.reduce(0) { $0 + $1.tensor.count })
      })
  }
}
