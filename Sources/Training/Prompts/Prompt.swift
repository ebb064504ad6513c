package import ImageFiles
package import JSON
package import Rewards
package import ShapeScenes

/// One prompt: the text that the model sees, and what its file says besides.
package struct Prompt: Hashable, Sendable {
  package var text: String
  /// What the prompt tests, such as `counting`; scores are told apart by it.
  package var tag: String?
  /// The files of the images to edit, for a model that takes condition images.
  package var images: [String] = []
  /// What the image must show, for rewards that judge scenes of the shapes task.
  package var scene: ScenePrompt?
  /// Everything that the file's line says, by key, `prompt` and `tag` included; empty for a line
  /// that is the prompt itself. Rewards may read it.
  package var metadata: [String: JSONValue]

  package init(_ text: String, tag: String? = nil, metadata: [String: JSONValue] = [:]) {
    self.text = text
    self.tag = tag
    self.metadata = metadata
  }

  package init(_ scene: ScenePrompt) {
    text = scene.prompt
    tag = scene.tag.rawValue
    self.scene = scene
    metadata = [:]
  }
}

extension RewardSample {
  /// An image that was made from `prompt`.
  package init(image: PixelBuffer, prompt: Prompt) {
    self.init(
      image: image, prompt: prompt.text, scene: prompt.scene, metadata: prompt.metadata)
  }
}
