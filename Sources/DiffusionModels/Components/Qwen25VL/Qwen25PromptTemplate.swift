/// A chat message around a prompt for Qwen2.5-VL.
public struct Qwen25PromptTemplate: Sendable, Equatable {
  /// The text before the prompt.
  public let prefix: String
  /// The text after the prompt.
  public let suffix: String
  /// Tokens at the start whose hidden states are dropped, the number of tokens of the prefix.
  public let droppedTokens: Int

  /// The whole message.
  func text(_ prompt: String) -> String { prefix + prompt + suffix }

  /// The message of Qwen-Image (`prompt_template_encode` and `prompt_template_encode_start_idx` of
  /// diffusers' pipeline for images from text). As there, 34 tokens are dropped even with another
  /// vocabulary.
  public static let imageDescription = Qwen25PromptTemplate(
    prefix: """
      <|im_start|>system
      Describe the image by detailing the color, shape, size, texture, quantity, text, spatial \
      relationships of the objects and background:<|im_end|>
      <|im_start|>user

      """,
    suffix: "<|im_end|>\n<|im_start|>assistant\n",
    droppedTokens: 34)
}
