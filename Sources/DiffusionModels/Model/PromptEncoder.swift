package import ImageFiles

/// A prompt: text and, for an editing model, the condition images.
public struct PromptInput: Sendable {
  public var text: String
  /// In the order of the prompt file.
  package var images: [PixelBuffer]

  public init(_ text: String) { self.init(text, images: []) }

  package init(_ text: String, images: [PixelBuffer]) {
    self.text = text
    self.images = images
  }
}

/// Encodes prompts to embeddings with a model's text encoders and tokenizers.
public protocol PromptEncoder {
  /// Returns one result per prompt, in order. Records no gradients.
  func encode(_ prompts: [PromptInput]) -> [PromptEmbeddings]

  /// Which encoders truncate a prompt; nil if none does.
  func truncation(of prompt: String) -> PromptTruncation?
}

/// Everything beside the prompt that affects its embeddings.
public struct PromptComponents: Sendable {
  /// The folders of text encoders, tokenizers and image encoders inside the model's folder.
  public var folders: [String]
  /// Settings that change embeddings, one line each.
  public var settings: [String]

  public init(folders: [String], settings: [String]) {
    self.folders = folders
    self.settings = settings
  }
}
