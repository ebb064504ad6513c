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

  /// The size to which condition images are scaled; nil for an encoder that scales none.
  var conditionSize: ImageSize? { get }
}

extension PromptEncoder {
  public var conditionSize: ImageSize? { nil }
}

extension ImageSize {
  /// Whether an image's proportions change by more than a fiftieth when it is scaled to this size.
  package func stretches(_ image: PixelBuffer) -> Bool {
    let ratio = Double(image.width * height) / Double(image.height * width)
    return max(ratio, 1 / ratio) > 1.02
  }
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
