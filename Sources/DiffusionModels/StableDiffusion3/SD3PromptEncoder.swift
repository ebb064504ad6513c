import Foundation
public import TextTokenizers
import Torch

/// Encodes prompts as `encode_prompt` of diffusers' `StableDiffusion3Pipeline`: two CLIP encoders
/// and an optional T5.
public struct SD3PromptEncoder: PromptEncoder {
  /// The T5 encoder and its tokenizer.
  public struct T5 {
    public let encoder: StoredNetwork<T5EncoderModel>
    public let tokenizer: T5Tokenizer

    public init(encoder: StoredNetwork<T5EncoderModel>, tokenizer: T5Tokenizer) {
      self.encoder = encoder
      self.tokenizer = tokenizer
    }
  }

  /// Two encoders, in the order of diffusers' `text_encoder` and `text_encoder_2`.
  public let textEncoders: [StoredNetwork<CLIPTextModelWithProjection>]
  /// One per CLIP encoder.
  public let tokenizers: [CLIPTokenizer]
  /// diffusers' `text_encoder_3` and `tokenizer_3`.
  public let t5: T5?
  /// Tokens of a prompt for T5, or the number of zero rows in their place.
  public let maxSequenceLength: Int

  /// diffusers' default for `max_sequence_length`.
  public static let defaultMaxSequenceLength = 256
  /// The range of `max_sequence_length` in diffusers.
  public static let sequenceLengths = 1...512

  /// Creates an encoder from networks in memory.
  ///
  /// - Parameter maxSequenceLength: 1...512
  /// - Throws: `PipelineError.inconsistent` if a tokenizer does not fit its encoder.
  public init(
    textEncoders: [StoredNetwork<CLIPTextModelWithProjection>], tokenizers: [CLIPTokenizer],
    t5: T5? = nil, maxSequenceLength: Int = defaultMaxSequenceLength
  ) throws(PipelineError) {
    self.textEncoders = textEncoders
    self.tokenizers = tokenizers
    self.t5 = t5
    self.maxSequenceLength = maxSequenceLength
    try checkTokenizers(path: "pipeline")
  }

  /// Loads the text encoders and tokenizers of a pipeline folder in diffusers' layout.
  ///
  /// - Parameters:
  ///   - placement: a nil `dtype` keeps the files' precision.
  ///   - maxSequenceLength: 1...512
  /// - Throws: `PipelineError` for a missing file, a wrong class, an unknown key, weights that do
  ///   not match.
  public init(
    folder: String, _ placement: Placement = Placement(),
    maxSequenceLength: Int = defaultMaxSequenceLength
  ) throws(PipelineError) {
    let index = try SD3ModelIndex(folder: folder)
    try placement.checkVariant(folder: folder)
    var encoders: [StoredNetwork<CLIPTextModelWithProjection>] = []
    var tokenizers: [CLIPTokenizer] = []
    for suffix in clipSuffixes {
      encoders.append(
        try StoredNetwork(
          folder: "\(folder)/text_encoder\(suffix)", weights: transformersWeights,
          placement: placement, build: CLIPTextModelWithProjection.init))
      tokenizers.append(
        try wrapping(PipelineError.tokenizer) { () throws(TokenizerError) in
          try CLIPTokenizer(folder: "\(folder)/tokenizer\(suffix)")
        })
    }
    textEncoders = encoders
    self.tokenizers = tokenizers
    self.maxSequenceLength = maxSequenceLength
    t5 = index.hasT5 ? try T5(folder: folder, placement) : nil
    try checkTokenizers(path: folder)
    try check(SD3TextShape(folder: folder), path: folder)
  }

  /// Which encoders truncate a prompt; nil if none does.
  public func truncation(of prompt: String) -> PromptTruncation? {
    let length = tokenizers[0].modelMaxLength
    let isWhole = t5.map { $0.tokenizer.encode(prompt).count <= maxSequenceLength }
    guard tokenizers.contains(where: { $0.encode(prompt).count > length }) else {
      guard isWhole == false else { return nil }
      return PromptTruncation(encoders: "T5 text encoder", tokens: maxSequenceLength, longest: nil)
    }
    return PromptTruncation(
      encoders: "CLIP text encoders", tokens: length,
      longest: isWhole.map { PromptTruncation.Longest(encoder: "T5", isWhole: $0) })
  }

  /// `clip` `[T, W]`, the penultimate hidden states of both CLIP encoders side by side, W at most
  /// J; `t5` `[U, J]`, T5's hidden states if the model has T5; `pooled` `[P]`, both projections
  /// side by side. Records no gradients.
  public func encode(_ prompts: [PromptInput]) -> [PromptEmbeddings] {
    encode(prompts.map(\.text))
  }

  /// The embeddings of texts.
  public func encode(_ prompts: [String]) -> [PromptEmbeddings] {
    precondition(!prompts.isEmpty, "no prompts")
    let length = tokenizers[0].modelMaxLength
    return withoutGradient {
      let outputs = zip(textEncoders, tokenizers).map { encoder, tokenizer in
        encoder.network(prompts.map { tokenizer.encodePadded($0, to: length) })
      }
      var parts = [("clip", Tensor.cat(outputs.map(\.penultimate), dim: 2))]
      if let t5 {
        let rows = t5.encoder.network(
          prompts.map { t5.tokenizer.encodePadded($0, to: maxSequenceLength) })
        parts.append(("t5", rows))
      }
      parts.append(("pooled", Tensor.cat(outputs.map(\.pooled), dim: 1)))
      return prompts.indices.map { row in
        PromptEmbeddings(parts.map { ($0.0, $0.1.selected(dim: 0, index: row)) })
      }
    }
  }
}

extension SD3PromptEncoder.T5 {
  /// Loads `text_encoder_3` and `tokenizer_3` of a pipeline folder.
  fileprivate init(folder: String, _ placement: Placement) throws(PipelineError) {
    for component in ["text_encoder_3", "tokenizer_3"]
    where !FileManager.default.fileExists(atPath: "\(folder)/\(component)") {
      throw .absentT5(folder: folder)
    }
    encoder = try StoredNetwork(
      folder: "\(folder)/text_encoder_3", weights: transformersWeights, placement: placement,
      build: T5EncoderModel.init)
    tokenizer = try wrapping(PipelineError.tokenizer) { () throws(TokenizerError) in
      try T5Tokenizer(folder: "\(folder)/tokenizer_3")
    }
  }
}

/// The suffixes of CLIP's `text_encoder` and `tokenizer` in diffusers, in order.
let clipSuffixes = ["", "_2"]
