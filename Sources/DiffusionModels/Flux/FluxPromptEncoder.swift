import ImageFiles
public import TextTokenizers
import Torch
import TorchNN

/// Encodes prompts as `encode_prompt` of diffusers' `FluxPipeline`: CLIP's pooled prompt and T5's
/// hidden states; and a source image as `prepare_latents` of `FluxKontextPipeline`.
public struct FluxPromptEncoder: PromptEncoder {
  /// diffusers' `text_encoder` and `tokenizer`.
  public let clip: StoredNetwork<CLIPTextModel>
  public let clipTokenizer: CLIPTokenizer
  /// diffusers' `text_encoder_2` and `tokenizer_2`.
  public let t5: StoredNetwork<T5EncoderModel>
  public let t5Tokenizer: T5Tokenizer
  /// Tokens of a prompt for T5. Padding is not masked, so another length gives another image.
  public let maxSequenceLength: Int
  /// Encodes source images, at this size; nil for a model without.
  let source: (autoencoder: StoredNetwork<AutoencoderKL>, size: ImageSize)?

  /// Loads the text encoders and tokenizers of a pipeline folder in diffusers' layout, and for
  /// FLUX.1-Kontext the autoencoder.
  ///
  /// - Parameter model: a nil `dtype` keeps the files' precision. Source images are brought to its
  ///   image size.
  /// - Throws: `PipelineError` for a missing file, a wrong class, an unknown key, weights that do
  ///   not match.
  public init(_ model: ModelSource) throws(PipelineError) {
    let (folder, placement) = (model.folder, model.placement)
    let className = try FluxModelIndex.check(folder)
    try placement.checkVariant(folder: folder)
    let length = try FluxPipeline.sequenceLength(model)
    let lengths = try FluxPipeline.defaults(of: folder).sequenceLengths
    try require(
      lengths.contains(length), folder,
      "max_sequence_length is \(length); it must be in \(lengths.lowerBound)..."
        + "\(lengths.upperBound)")
    let clip = try StoredNetwork(
      folder: "\(folder)/text_encoder", weights: transformersWeights, placement: placement
    ) {
      (
        configuration: CLIPTextModelConfiguration, parameters
      ) throws(ParameterError) in
      try CLIPTextModel(configuration, parameters)
    }
    let t5 = try StoredNetwork(
      folder: "\(folder)/text_encoder_2", weights: transformersWeights, placement: placement,
      build: T5EncoderModel.init)
    let (clipTokenizer, t5Tokenizer) = try wrapping(PipelineError.tokenizer) {
      () throws(TokenizerError) in
      (
        try CLIPTokenizer(folder: "\(folder)/tokenizer"),
        try T5Tokenizer(folder: "\(folder)/tokenizer_2")
      )
    }
    var source: (autoencoder: StoredNetwork<AutoencoderKL>, size: ImageSize)?
    if FluxModelIndex.takesSource(className) {
      source = (
        try StoredNetwork(
          folder: "\(folder)/vae", weights: diffusersWeights,
          placement: placement.ofAutoencoder, build: AutoencoderKL.init),
        try ImageGeometry(model).image
      )
    }
    self.init(
      clip: clip, clipTokenizer, t5: t5, t5Tokenizer, maxSequenceLength: length, source: source)
    try check(path: folder)
  }

  init(
    clip: StoredNetwork<CLIPTextModel>, _ clipTokenizer: CLIPTokenizer,
    t5: StoredNetwork<T5EncoderModel>, _ t5Tokenizer: T5Tokenizer, maxSequenceLength: Int,
    source: (autoencoder: StoredNetwork<AutoencoderKL>, size: ImageSize)?
  ) {
    self.clip = clip
    self.clipTokenizer = clipTokenizer
    self.t5 = t5
    self.t5Tokenizer = t5Tokenizer
    self.maxSequenceLength = maxSequenceLength
    self.source = source
  }

  /// Checks that the tokenizers fit their encoders, and the encoders the transformer.
  private func check(path: String) throws(PipelineError) {
    let (text, t5) = (clip.network.configuration, t5.network.configuration)
    for (name, count, known) in [
      ("tokenizer", clipTokenizer.vocabularyCount, text.vocabSize),
      ("tokenizer_2", t5Tokenizer.vocabularyCount, t5.vocabSize),
    ] {
      try require(
        count <= known, path, "\(name) has \(count) tokens, its text encoder \(known)")
    }
    try require(
      clipTokenizer.modelMaxLength <= text.maxPositionEmbeddings, path,
      "prompts have \(clipTokenizer.modelMaxLength) tokens, text_encoder supports "
        + "\(text.maxPositionEmbeddings)")
    let transformer = try FluxTransformerConfiguration.read("transformer", of: path)
    try require(
      text.hiddenSize == transformer.pooledProjectionDim, path,
      "text_encoder has width \(text.hiddenSize); the transformer's pooled_projection_dim is "
        + "\(transformer.pooledProjectionDim)")
    try require(
      t5.dModel == transformer.jointAttentionDim, path,
      "text_encoder_2 has rows of width \(t5.dModel); the transformer's joint_attention_dim is "
        + "\(transformer.jointAttentionDim)")
  }

  public var conditionSize: ImageSize? { source?.size }

  /// Which encoders truncate a prompt; nil if none does.
  public func truncation(of prompt: String) -> PromptTruncation? {
    let length = clipTokenizer.modelMaxLength
    let isWhole = t5Tokenizer.encode(t5Text(prompt)).count <= maxSequenceLength
    guard clipTokenizer.encode(clipText(prompt)).count > length else {
      if isWhole { return nil }
      return PromptTruncation(encoders: "T5 text encoder", tokens: maxSequenceLength, longest: nil)
    }
    return PromptTruncation(
      encoders: "CLIP text encoder", tokens: length,
      longest: PromptTruncation.Longest(encoder: "T5", isWhole: isWhole))
  }

  /// `t5` `[T, J]`, T5's hidden states, padding included; `pooled` `[P]`, CLIP's pooled prompt;
  /// `source` `[C, h, w]`, the latents of the source image, if there is one. Records no gradients.
  public func encode(_ prompts: [PromptInput]) -> [PromptEmbeddings] {
    precondition(!prompts.isEmpty, "no prompts")
    let tokens = tokens(of: prompts.map(\.text))
    return withoutGradient {
      let pooled = clip.network(tokens.clip).pooled
      let rows = t5.network(tokens.t5)
      return prompts.enumerated().map { row, prompt in
        PromptEmbeddings(
          [
            ("t5", rows.selected(dim: 0, index: row)),
            ("pooled", pooled.selected(dim: 0, index: row)),
          ] + prompt.images.map { ("source", latents(of: $0)) })
      }
    }
  }

  /// The padded tokens of prompts.
  func tokens(of prompts: [String]) -> (clip: [[Int]], t5: [[Int]]) {
    (
      prompts.map {
        clipTokenizer.encodePadded(clipText($0), to: clipTokenizer.modelMaxLength)
      },
      prompts.map { t5Tokenizer.encodePadded(t5Text($0), to: maxSequenceLength) }
    )
  }

  private func clipText(_ prompt: String) -> String { clipTokenizer.writingOutVectors(of: prompt) }

  private func t5Text(_ prompt: String) -> String { t5Tokenizer.writingOutVectors(of: prompt) }

  /// The latents of a source image, the mean of their distribution. `-> [C, h, w]`
  private func latents(of image: PixelBuffer) -> Tensor {
    guard let source else { preconditionFailure("the model takes no source image") }
    let scaled = image.resized(
      width: source.size.width, height: source.size.height, filter: .lanczos)
    return source.autoencoder.latents(of: scaled).selected(dim: 0, index: 0)
  }
}
