internal import Rewards
package import ShapeScenes

extension Prompt {
  /// A prompt of the shapes task, with its metadata.
  package init(_ scene: ScenePrompt) {
    self.init(scene.prompt, tag: scene.tag.rawValue, metadata: scene.metadata)
  }
}
