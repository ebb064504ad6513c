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

  /// Draws an image for a prompt of this task; what the prompt leaves open is random.
  func render(
    _ prompt: Prompt, using generator: inout SplitMix64
  ) throws(PromptFault) -> (source: PixelBuffer?, image: PixelBuffer) {
    switch self {
    case .shapes:
      return (
        nil, SceneRenderer.render(try ScenePrompt(metadata: prompt.metadata), using: &generator)
      )
    case .shapesEdit:
      let edit = try EditPrompt(metadata: prompt.metadata).edit
      let (before, after) = EditLayout.scenes(for: edit, using: &generator)
      return (SceneRenderer.draw(before), SceneRenderer.draw(after))
    }
  }
}
