package import Foundations
package import ImageFiles
package import Rewards

/// One prompt: the text for the model, and the metadata of its file.
package struct Prompt: Hashable, Sendable {
  package var text: String
  /// The category of the prompt, such as `counting`, by which scores are reported.
  package var tag: String?
  /// The files of the condition images, for an editing model.
  package var images: [String] = []
  /// All entries of the file's line, by key, including `prompt` and `tag`; empty for a line of
  /// plain text. Rewards may read it.
  package var metadata: [String: JSONValue]

  package init(_ text: String, tag: String? = nil, metadata: [String: JSONValue] = [:]) {
    self.text = text
    self.tag = tag
    self.metadata = metadata
  }
}

extension RewardSample {
  /// An image of `prompt`.
  ///
  /// - Parameter sources: the prompt's condition images as the model saw them.
  package init(image: PixelBuffer, sources: [PixelBuffer], prompt: Prompt) {
    self.init(image: image, sources: sources, prompt: prompt.text, metadata: prompt.metadata)
  }
}
