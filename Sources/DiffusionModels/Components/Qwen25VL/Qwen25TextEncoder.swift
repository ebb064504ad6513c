public import TextTokenizers
public import Torch
import TorchNN

/// Encodes prompts with Qwen2.5-VL's language model, as `_get_qwen_prompt_embeds` and
/// `encode_prompt` of diffusers' pipelines do.
public struct Qwen25TextEncoder {
  /// The greatest length of a prompt in tokens (`tokenizer_max_length`).
  public static let greatestLength = 1024

  /// diffusers' `text_encoder`, without vision tower and head.
  public let model: StoredNetwork<Qwen25LanguageModel>
  public let tokenizer: QwenTokenizer
  public let template: Qwen25PromptTemplate

  /// Loads `text_encoder` and `tokenizer` of a pipeline folder in diffusers' layout.
  ///
  /// - Throws: `PipelineError` for a missing file, a wrong class, an unknown key, weights that do
  ///   not match, a tokenizer with more tokens than the network.
  public init(
    folder: String, placement: Placement, template: Qwen25PromptTemplate = .imageDescription
  ) throws(PipelineError) {
    self.template = template
    tokenizer = try wrapping(PipelineError.tokenizer) { () throws(TokenizerError) in
      try QwenTokenizer(folder: "\(folder)/tokenizer")
    }
    let known = try Qwen25VLConfiguration.read("text_encoder", of: folder).language.vocabSize
    try require(
      tokenizer.vocabularyCount <= known, folder,
      "tokenizer has \(tokenizer.vocabularyCount) tokens, its text encoder \(known)")
    model = try StoredNetwork(
      folder: "\(folder)/text_encoder", weights: transformersWeights, placement: placement,
      build: Qwen25LanguageModel.init)
  }

  /// The hidden states of each prompt and of the template's end, without the template's start.
  /// Records no gradients. `-> [T, D]`, `T <= maxSequenceLength`
  ///
  /// Prompts are encoded one by one, so that a result does not depend on the others.
  ///
  /// - Parameter maxSequenceLength: in `1 ... greatestLength`; what is beyond is cut off, with the
  ///   template's end.
  public func callAsFunction(_ prompts: [String], maxSequenceLength: Int) -> [Tensor] {
    withoutGradient {
      prompts.map { prompt in
        let tokens = tokens(of: prompt, maxSequenceLength: maxSequenceLength)
        let states = model.network([tokens]).selected(dim: 0, index: 0)
        return states.narrowed(dim: 0, template.droppedTokens..<tokens.count)
      }
    }
  }

  /// Whether a prompt, with the template's end, is longer than `maxSequenceLength` tokens.
  public func isTruncated(_ prompt: String, maxSequenceLength: Int) -> Bool {
    tokenizer.encode(template.text(prompt)).count > template.droppedTokens + maxSequenceLength
  }

  /// The tokens of a prompt in its template. Later ones than the kept ones would change none of
  /// their states.
  package func tokens(of prompt: String, maxSequenceLength: Int) -> [Int] {
    precondition(
      (1...Self.greatestLength).contains(maxSequenceLength),
      "\(maxSequenceLength) tokens are not in 1...\(Self.greatestLength)")
    return Array(
      tokenizer.encode(template.text(prompt)).prefix(template.droppedTokens + maxSequenceLength))
  }
}
