import TextTokenizers
import Torch
import TorchNN

/// Encodes prompts as `encode_prompt` of diffusers' `QwenImagePipeline`: the hidden states of
/// Qwen2.5-VL's language model for the prompt in a chat message.
public struct QwenImagePromptEncoder: PromptEncoder {
  public let text: Qwen25TextEncoder
  /// Tokens of a prompt at most, with those of the message's end.
  public let maxSequenceLength: Int

  /// Loads text encoder and tokenizer of a pipeline folder in diffusers' layout.
  ///
  /// - Parameter model: a nil `dtype` keeps the files' precision.
  /// - Throws: `PipelineError` for a missing file, a wrong class, an unknown key, weights that do
  ///   not match, a length out of range.
  public init(_ model: ModelSource) throws(PipelineError) {
    let (folder, placement) = (model.folder, model.placement)
    try QwenImageModelIndex.check(folder)
    try placement.checkVariant(folder: folder)
    maxSequenceLength = QwenImagePipeline.sequenceLength(model)
    let lengths = QwenImagePipeline.defaults.sequenceLengths
    try require(
      lengths.contains(maxSequenceLength), folder,
      "max_sequence_length is \(maxSequenceLength); it must be in \(lengths.lowerBound)..."
        + "\(lengths.upperBound)")
    text = try Qwen25TextEncoder(folder: folder, placement: placement)
    let width = text.model.network.configuration.language.hiddenSize
    let transformer = try QwenImageTransformerConfiguration.read("transformer", of: folder)
    try require(
      width == transformer.jointAttentionDim, folder,
      "text_encoder has rows of width \(width); the transformer's joint_attention_dim is "
        + "\(transformer.jointAttentionDim)")
  }

  public func truncation(of prompt: String) -> PromptTruncation? {
    guard text.isTruncated(prompt, maxSequenceLength: maxSequenceLength) else { return nil }
    return PromptTruncation(encoders: "text encoder", tokens: maxSequenceLength, longest: nil)
  }

  /// `text` `[T, J]`, without padding. Records no gradients.
  public func encode(_ prompts: [PromptInput]) -> [PromptEmbeddings] {
    text(prompts.map(\.text), maxSequenceLength: maxSequenceLength).map {
      PromptEmbeddings([(QwenImageConditioning.tensorName, $0)])
    }
  }
}
