import TextTokenizers

/// The tokens of prompts for images, each in a chat message for Qwen2.5-VL, as
/// `_get_qwen_prompt_embeds` and `encode_prompt` of diffusers' pipelines have them.
public struct Qwen25Prompts {
  /// The greatest length of a prompt in tokens (`tokenizer_max_length`).
  public static let greatestLength = 1024

  /// Tokens at the start of the message whose hidden states are dropped, those of its text before
  /// the prompt (`prompt_template_encode_start_idx`). As in diffusers, 34 even with another
  /// vocabulary.
  static let droppedTokens = 34

  /// The message of Qwen-Image (`prompt_template_encode`).
  private static func message(_ prompt: String) -> String {
    """
    <|im_start|>system
    Describe the image by detailing the color, shape, size, texture, quantity, text, spatial \
    relationships of the objects and background:<|im_end|>
    <|im_start|>user
    \(prompt)<|im_end|>
    <|im_start|>assistant

    """
  }

  let tokenizer: QwenTokenizer

  /// Reads `tokenizer` of a pipeline folder.
  ///
  /// - Throws: `PipelineError.tokenizer`.
  init(folder: String) throws(PipelineError) {
    tokenizer = try wrapping(PipelineError.tokenizer) { () throws(TokenizerError) in
      try QwenTokenizer(folder: "\(folder)/tokenizer")
    }
  }

  /// The tokens of a prompt in its message. Later ones than the kept ones would change none of
  /// their states.
  ///
  /// - Parameter maxSequenceLength: in `1 ... greatestLength`; what is beyond is cut off, with the
  ///   message's end.
  func tokens(of prompt: String, maxSequenceLength: Int) -> [Int] {
    precondition(
      (1...Self.greatestLength).contains(maxSequenceLength),
      "\(maxSequenceLength) tokens are not in 1...\(Self.greatestLength)")
    return Array(
      tokenizer.encode(Self.message(prompt)).prefix(Self.droppedTokens + maxSequenceLength))
  }

  /// The number of a prompt's hidden states, with those of the message's end.
  func rowCount(of prompt: String, maxSequenceLength: Int) -> Int {
    tokens(of: prompt, maxSequenceLength: maxSequenceLength).count - Self.droppedTokens
  }

  /// Whether a prompt, with the message's end, is longer than `maxSequenceLength` tokens.
  func isTruncated(_ prompt: String, maxSequenceLength: Int) -> Bool {
    tokenizer.encode(Self.message(prompt)).count > Self.droppedTokens + maxSequenceLength
  }
}
