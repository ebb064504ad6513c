public import TextTokenizers
import Torch
import TorchNN

/// Encodes prompts as `encode_prompt` of diffusers' `FluxPipeline`: CLIP's pooled prompt and T5's
/// hidden states.
public struct FluxPromptEncoder: PromptEncoder {
  /// diffusers' `text_encoder` and `tokenizer`.
  public let clip: StoredNetwork<CLIPTextModel>
  public let clipTokenizer: CLIPTokenizer
  /// diffusers' `text_encoder_2` and `tokenizer_2`.
  public let t5: StoredNetwork<T5EncoderModel>
  public let t5Tokenizer: T5Tokenizer
  /// Tokens of a prompt for T5. Padding is not masked, so another length gives another image.
  public let maxSequenceLength: Int

  /// Loads the text encoders and tokenizers of a pipeline folder in diffusers' layout.
  ///
  /// - Parameters:
  ///   - placement: a nil `dtype` keeps the files' precision.
  ///   - maxSequenceLength: of the model's `defaults(of:)`.
  /// - Throws: `PipelineError` for a missing file, a wrong class, an unknown key, weights that do
  ///   not match.
  public init(
    folder: String, _ placement: Placement = Placement(), maxSequenceLength: Int
  ) throws(PipelineError) {
    try FluxModelIndex.check(folder)
    try placement.checkVariant(folder: folder)
    let lengths = try FluxPipeline.defaults(of: folder).sequenceLengths
    try require(
      lengths.contains(maxSequenceLength), folder,
      "max_sequence_length is \(maxSequenceLength); it must be in \(lengths.lowerBound)..."
        + "\(lengths.upperBound)")
    self.maxSequenceLength = maxSequenceLength
    clip = try StoredNetwork(
      folder: "\(folder)/text_encoder", weights: transformersWeights, placement: placement
    ) {
      (
        configuration: CLIPTextModelConfiguration, parameters
      ) throws(ParameterError) in
      try CLIPTextModel(configuration, parameters)
    }
    t5 = try StoredNetwork(
      folder: "\(folder)/text_encoder_2", weights: transformersWeights, placement: placement,
      build: T5EncoderModel.init)
    (clipTokenizer, t5Tokenizer) = try wrapping(PipelineError.tokenizer) {
      () throws(TokenizerError) in
      (
        try CLIPTokenizer(folder: "\(folder)/tokenizer"),
        try T5Tokenizer(folder: "\(folder)/tokenizer_2")
      )
    }
    try check(path: folder)
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
    let transformer = try FluxTransformerConfiguration.read(folder: path)
    try require(
      text.hiddenSize == transformer.pooledProjectionDim, path,
      "text_encoder has width \(text.hiddenSize); the transformer's pooled_projection_dim is "
        + "\(transformer.pooledProjectionDim)")
    try require(
      t5.dModel == transformer.jointAttentionDim, path,
      "text_encoder_2 has rows of width \(t5.dModel); the transformer's joint_attention_dim is "
        + "\(transformer.jointAttentionDim)")
  }

  /// Which encoders truncate a prompt; nil if none does.
  public func truncation(of prompt: String) -> PromptTruncation? {
    let length = clipTokenizer.modelMaxLength
    guard clipTokenizer.encode(prompt).count > length else {
      guard t5Tokenizer.encode(prompt).count > maxSequenceLength else { return nil }
      return PromptTruncation(encoders: "T5 text encoder", tokens: maxSequenceLength, longest: nil)
    }
    let isWhole = t5Tokenizer.encode(prompt).count <= maxSequenceLength
    return PromptTruncation(
      encoders: "CLIP text encoder", tokens: length,
      longest: PromptTruncation.Longest(encoder: "T5", isWhole: isWhole))
  }

  /// `t5` `[T, J]`, T5's hidden states, padding included; `pooled` `[P]`, CLIP's pooled prompt.
  /// Records no gradients.
  public func encode(_ prompts: [PromptInput]) -> [PromptEmbeddings] {
    precondition(!prompts.isEmpty, "no prompts")
    let texts = prompts.map(\.text)
    return withoutGradient {
      let length = clipTokenizer.modelMaxLength
      let pooled = clip.network(texts.map { clipTokenizer.encodePadded($0, to: length) }).pooled
      let rows = t5.network(texts.map { t5Tokenizer.encodePadded($0, to: maxSequenceLength) })
      return prompts.indices.map { row in
        PromptEmbeddings([
          ("t5", rows.selected(dim: 0, index: row)),
          ("pooled", pooled.selected(dim: 0, index: row)),
        ])
      }
    }
  }
}

extension FluxTransformerConfiguration {
  /// Reads `transformer/config.json` of a pipeline folder.
  static func read(folder: String) throws(PipelineError) -> FluxTransformerConfiguration {
    try wrapping(PipelineError.model) { () throws(ModelError) in
      try FluxTransformerConfiguration(contentsOf: "\(folder)/transformer/config.json")
    }
  }
}
