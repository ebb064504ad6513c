package import Foundations
package import ImageFiles
package import Rewards

/// One prompt: the text for the model, and the metadata of its file.
package struct Prompt: Hashable, Sendable {
  package var text: String
  /// What the prompt tests, such as `counting`; scores are told apart by it.
  package var tag: String?
  /// The files of the images to edit, for a model that takes condition images.
  package var images: [String] = []
  /// Everything that the file's line says, by key, `prompt` and `tag` included; empty for a line
  /// that is the prompt itself. Rewards may read it.
  package var metadata: [String: JSONValue]

  package init(_ text: String, tag: String? = nil, metadata: [String: JSONValue] = [:]) {
    self.text = text
    self.tag = tag
    self.metadata = metadata
  }
}

extension RewardSample {
  /// An image that was made from `prompt`.
  package init(image: PixelBuffer, prompt: Prompt) {
    self.init(image: image, prompt: prompt.text, metadata: prompt.metadata)
  }
}
