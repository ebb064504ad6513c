package import FlowMatching
package import TextTokenizers
package import Torch
package import TorchNN

/// A family whose small models `pretrain` can create: CLIP text encoders, an `AutoencoderKL`, and a
/// transformer of a given shape that is trained together with the text encoders.
package protocol PretrainableModel: FlowModel {
  /// Creates a model with new weights for the transformer.
  ///
  /// - Throws: `PipelineError` if the parts are incompatible, `.parameters`.
  init(
    untrained shape: TransformerShape, text: PretrainedText,
    autoencoder: StoredNetwork<AutoencoderKL>, scheduler: SchedulerConfiguration,
    generator: Generator
  ) throws(PipelineError)

  /// The trainable parameters in a fixed order; names begin with the component's folder.
  var pretrainedParameters: [ParameterStore.Named] { get }

  /// The text encoders, which are trained as well.
  var pretrainedEncoder: any PromptEncoder { get }

  /// Number of parameters of each component, by its folder.
  var parameterCounts: [String: Int] { get }

  /// The velocity under tokenized prompts; gradients are recorded through the text encoders as
  /// well.
  ///
  /// - Parameter tokens: token ids of the prompts, per text encoder and row.
  func velocity(_ latents: Tensor, sigma: Tensor, tokens: [[[Int]]]) -> Tensor
}

/// The shape of a transformer that is trained from scratch.
package struct TransformerShape: Sendable {
  /// Side of the latents, in latent pixels.
  package var latentSide: Int
  package var latentChannels: Int
  /// Side of a patch, in latent pixels.
  package var patch: Int
  package var layers: Int
  package var heads: Int
  package var headWidth: Int

  package init(
    latentSide: Int, latentChannels: Int, patch: Int, layers: Int, heads: Int, headWidth: Int
  ) {
    self.latentSide = latentSide
    self.latentChannels = latentChannels
    self.patch = patch
    self.layers = layers
    self.heads = heads
    self.headWidth = headWidth
  }
}

/// Text encoders with new weights and their tokenizers.
package struct PretrainedText {
  package let encoders: [StoredNetwork<CLIPTextModelWithProjection>]
  /// One per encoder.
  package let tokenizers: [CLIPTokenizer]

  package init(
    encoders: [StoredNetwork<CLIPTextModelWithProjection>], tokenizers: [CLIPTokenizer]
  ) {
    self.encoders = encoders
    self.tokenizers = tokenizers
  }
}
