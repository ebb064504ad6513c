internal import Foundation
internal import Foundations
internal import ImageFiles
internal import Rewards
internal import ShapeScenes

/// What a model is trained for from scratch: the prompts, the images that are drawn for them, and
/// the verifier of its measurements.
package enum PretrainingTask: String, CaseIterable, Sendable {
  /// Drawings of prompts.
  case shapes
  /// Edits of drawings.
  case shapesEdit = "shapes_edit"

  /// Whether a prompt has a source image.
  var hasSources: Bool { self == .shapesEdit }

  /// The reward that checks prompts and judges images.
  var reward: RewardEntry {
    switch self {
    case .shapes: RewardEntry(ShapesFactory())
    case .shapesEdit: RewardEntry(ShapesEditFactory())
    }
  }

  /// Reads a prompt file.
  ///
  /// - Throws: `TrainingError.prompts`, also for a prompt of another task.
  package func prompts(_ path: String) throws(TrainingError) -> [Prompt] {
    try PromptList.read(path, for: [reward], conditionImages: hasSources ? 1...1 : 0...0)
  }

  /// An image of a prompt, and its source image; what the prompt leaves open is random.
  typealias Drawing = (inout SplitMix64) -> (source: PixelBuffer?, image: PixelBuffer)

  /// Draws images of a prompt of this task, which is read once.
  func drawing(of prompt: Prompt) throws(PromptFault) -> Drawing {
    switch self {
    case .shapes:
      let scene = try ScenePrompt(metadata: prompt.metadata)
      return { (nil, SceneRenderer.render(scene, using: &$0)) }
    case .shapesEdit:
      let edit = try EditPrompt(metadata: prompt.metadata).edit
      return {
        let (before, after) = EditLayout.scenes(for: edit, using: &$0)
        return (SceneRenderer.draw(before), SceneRenderer.draw(after))
      }
    }
  }
}
