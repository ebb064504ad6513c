package import Foundations
internal import ImageFiles
package import Recipes
package import ShapeScenes
package import Torch

/// The embedded verifier of the `shapes-edit` task: whether what was asked has changed in the
/// source image, and all else has stayed.
///
/// The edit is read from the prompt's metadata, the objects from source and image. Total and parts
/// are those of ``ShapesReward``. A sample without exactly one source image, whose metadata is not
/// of the task, or whose edit cannot be made in its source, has no score.
package struct ShapesEditReward: Reward {
  package let name: String
  private let mode: ShapesReward.Mode

  package init(mode: ShapesReward.Mode = .partial, name: String = ShapesEditFactory.name) {
    self.mode = mode
    self.name = name
  }

  /// Scores every sample whose metadata states an edit of its source image.
  ///
  /// - Throws: ``RewardError/failed(reward:reason:)`` for images of another size than the task's.
  package func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    try SceneRenderer.checkSizes(samples.flatMap { [$0.image] + $0.sources }, reward: name)
    // Images of a group share their prompt and its source, which are read once.
    var judges: [Task: Result<EditJudge, Reason>] = [:]
    var scores: [SceneScore?] = []
    var reasons: [Int: String] = [:]
    for (index, sample) in samples.enumerated() {
      let task = Task(metadata: sample.metadata, sources: sample.sources)
      let judge = judges[task] ?? Self.judge(task)
      judges[task] = judge
      switch judge {
      case .success(let judge): scores.append(judge.score(sample.image))
      case .failure(let reason):
        scores.append(nil)
        reasons[index] = reason.text
      }
    }
    return RewardScores(scores, mode, name: name, reasons: reasons)
  }

  private struct Reason: Error {
    let text: String
  }

  /// What determines the judgment of an image.
  private struct Task: Hashable {
    let metadata: [String: JSONValue]
    let sources: [PixelBuffer]
  }

  private static func judge(_ task: Task) -> Result<EditJudge, Reason> {
    guard task.sources.count == 1 else {
      return .failure(Reason(text: "not exactly one source image"))
    }
    let edit: SceneEdit
    do throws(PromptFault) {
      edit = try EditPrompt(metadata: task.metadata).edit
    } catch {
      return .failure(Reason(text: "the prompt is not of the shapes-edit task"))
    }
    let judge = EditJudge(edit, source: task.sources[0])
    return judge.map { .success($0) }
      ?? .failure(Reason(text: "the edit does not fit its source image"))
  }
}

/// `shapes_edit`: ``ShapesEditReward`` with the key `mode`.
package struct ShapesEditFactory: RewardFactory {
  package static let name = "shapes_edit"
  package static let sourceImages = SourceImages.required
  package let label: String
  package var mode = ShapesReward.Mode.partial

  package init(label: String = name) { self.label = label }

  package init(_ section: RecipeSection, label: String, device: Device) {
    self.label = label
    mode = section.choice("mode", default: .partial)
  }

  package static func checkPrompt(_ metadata: [String: JSONValue]) throws(PromptFault) {
    _ = try EditPrompt(metadata: metadata)
  }

  package func makeReward() -> any Reward { ShapesEditReward(mode: mode, name: label) }
}

extension EditPrompt {
  /// Reads the metadata of a prompt.
  ///
  /// - Throws: ``PromptFault`` for metadata of another task.
  package init(metadata: [String: JSONValue]) throws(PromptFault) {
    do throws(EditPrompt.Fault) {
      try self.init(json: jsonLine(metadata))
    } catch {
      throw PromptFault(error.description)
    }
  }
}
