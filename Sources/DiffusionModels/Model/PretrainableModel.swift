package import FlowMatching
package import TextTokenizers
package import Torch
package import TorchNN

/// A family that `pretrain` can make a small model of: CLIP text encoders, an `AutoencoderKL`, and a
/// transformer of a given shape, which is trained together with the text encoders.
package protocol PretrainableModel: FlowModel {
  /// A model with new weights for the transformer.
  ///
  /// - Throws: `PipelineError` when the parts do not fit together, `.parameters`.
  init(
    untrained shape: TransformerShape, text: PretrainedText,
    autoencoder: StoredNetwork<AutoencoderKL>, scheduler: SchedulerConfiguration,
    generator: Generator
  ) throws(PipelineError)

  /// The parameters that are trained, in a fixed order; names begin with the component's folder.
  var pretrainedParameters: [ParameterStore.Named] { get }

  /// The text encoders, which are trained, too.
  var pretrainedEncoder: any PromptEncoder { get }

  /// Numbers of each component, by its folder.
  var parameterCounts: [String: Int] { get }

  /// The velocity under tokenized prompts, recorded for gradients through the text encoders, too.
  ///
  /// - Parameter tokens: per text encoder, per row, the tokens of its prompt.
  func velocity(_ latents: Tensor, sigma: Tensor, tokens: [[[Int]]]) -> Tensor
}

/// The shape of a transformer to train from nothing.
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
