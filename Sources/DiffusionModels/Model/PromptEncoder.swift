package import ImageFiles

/// A prompt: text and, for a model that edits images, the images to edit.
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

/// Prompts to embeddings: a model's text encoders and tokenizers.
public protocol PromptEncoder {
  /// One result per prompt, in order. Records no gradients.
  func encode(_ prompts: [PromptInput]) -> [PromptEmbeddings]

  /// Which encoders take the beginning of a prompt alone; nil when all of them take it whole.
  func truncation(of prompt: String) -> PromptTruncation?
}

/// What decides how a prompt is encoded, beside the prompt.
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
