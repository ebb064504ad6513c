import TextTokenizers
public import Torch
import TorchNN

/// Encodes prompts with Qwen2.5-VL's language model, as `_get_qwen_prompt_embeds` and
/// `encode_prompt` of diffusers' pipelines do.
public struct Qwen25TextEncoder {
  /// diffusers' `text_encoder`, without vision tower and head.
  public let model: StoredNetwork<Qwen25LanguageModel>
  let prompts: Qwen25Prompts

  /// Loads `text_encoder` and `tokenizer` of a pipeline folder in diffusers' layout.
  ///
  /// - Throws: `PipelineError` for a missing file, a wrong class, an unknown key, weights that do
  ///   not match, a tokenizer with more tokens than the network.
  public init(folder: String, placement: Placement) throws(PipelineError) {
    prompts = try Qwen25Prompts(folder: folder)
    let known = try Qwen25VLConfiguration.read("text_encoder", of: folder).language.vocabSize
    let count = prompts.tokenizer.vocabularyCount
    try require(
      count <= known, folder, "tokenizer has \(count) tokens, its text encoder \(known)")
    model = try StoredNetwork(
      folder: "\(folder)/text_encoder", weights: transformersWeights, placement: placement,
      build: Qwen25LanguageModel.init)
  }

  /// The hidden states of each prompt and of the message's end, without the message's start.
  /// Records no gradients. `-> [T, D]`, `T <= maxSequenceLength`
  ///
  /// Prompts are encoded one by one, so that a result does not depend on the others.
  ///
  /// - Parameter maxSequenceLength: in `1 ... Qwen25Prompts.greatestLength`; what is beyond is cut
  ///   off, with the message's end.
  public func callAsFunction(_ prompts: [String], maxSequenceLength: Int) -> [Tensor] {
    withoutGradient {
      prompts.map { prompt in
        let tokens = tokens(of: prompt, maxSequenceLength: maxSequenceLength)
        let states = model.network([tokens]).selected(dim: 0, index: 0)
        return states.narrowed(dim: 0, Qwen25Prompts.droppedTokens..<tokens.count)
      }
    }
  }

  /// Whether a prompt, with the message's end, is longer than `maxSequenceLength` tokens.
  public func isTruncated(_ prompt: String, maxSequenceLength: Int) -> Bool {
    prompts.isTruncated(prompt, maxSequenceLength: maxSequenceLength)
  }

  /// The tokens of a prompt in its message.
  package func tokens(of prompt: String, maxSequenceLength: Int) -> [Int] {
    prompts.tokens(of: prompt, maxSequenceLength: maxSequenceLength)
  }
}
