package import Foundations
internal import ImageFiles
package import Recipes
package import ShapeScenes
package import Torch

/// The embedded verifier of the `shapes` task: counts, colors, positions and attributes of drawn
/// shapes.
///
/// What an image must show is read from the prompt's metadata. The total is the mode's figure. It
/// is also a part under the reward's name. The part `strict` is there in either mode, so that every
/// run shows its accuracy. A sample whose metadata is not of the task has no score.
package struct ShapesReward: Reward {
  /// What the total is.
  package enum Mode: String, CaseIterable, Sendable {
    /// Credit for what is right, 0...1, and 1 only when all is exact.
    case partial
    /// 1 when everything is exact, else 0.
    case strict
  }

  package let name: String
  private let mode: Mode
  private let surplus: SceneJudge.Surplus

  package init(
    mode: Mode = .partial, surplus: SceneJudge.Surplus = .penalized,
    name: String = ShapesFactory.name
  ) {
    self.mode = mode
    self.surplus = surplus
    self.name = name
  }

  /// Scores every sample whose metadata states what its image must show.
  ///
  /// - Throws: ``RewardError/failed(reward:reason:)`` for images of another size than the task's.
  package func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    try SceneRenderer.checkSizes(samples.map(\.image), reward: name)
    // Images of a group share their prompt, which is read once.
    var scenes: [[String: JSONValue]: ScenePrompt?] = [:]
    var scores: [SceneScore?] = []
    var reasons: [Int: String] = [:]
    for (index, sample) in samples.enumerated() {
      let scene = scenes[sample.metadata] ?? Self.scene(sample)
      scenes[sample.metadata] = scene
      if scene == nil { reasons[index] = "the prompt is not of the shapes task" }
      scores.append(scene.map { SceneVerifier.score(sample.image, $0, surplus: surplus) })
    }
    return RewardScores(scores, mode, name: name, reasons: reasons)
  }

  private static func scene(_ sample: RewardSample) -> ScenePrompt? {
    do throws(PromptFault) { return try ScenePrompt(metadata: sample.metadata) } catch {
      return nil
    }
  }
}

extension RewardScores {
  /// The verifier's scores: the total, which is a part under the reward's name as well, and the
  /// part `strict`.
  init(
    _ scores: [SceneScore?], _ mode: ShapesReward.Mode, name: String, reasons: [Int: String]
  ) {
    let strict: [Double?] = scores.map { $0.map { $0.strict ? 1 : 0 } }
    let total = mode == .strict ? strict : scores.map { $0?.partial }
    self.init(
      total: total,
      parts: [.init(name: name, values: total), .init(name: "strict", values: strict)],
      reasons: reasons)
  }
}

extension SceneRenderer {
  /// Checks that all images have the size that the verifier is made for.
  ///
  /// - Throws: ``RewardError/failed(reward:reason:)`` otherwise.
  static func checkSizes(_ images: [PixelBuffer], reward: String) throws(RewardError) {
    for image in images where image.width != size || image.height != size {
      throw .failed(
        reward: reward,
        reason: "it judges images of \(size) x \(size) pixels, got \(image.width) x "
          + "\(image.height); use a model of the shapes task")
    }
  }
}

/// `shapes`: ``ShapesReward`` with the keys `mode` and `surplus`.
package struct ShapesFactory: RewardFactory {
  package static let name = "shapes"
  package let label: String
  package var mode = ShapesReward.Mode.partial
  /// What surplus objects do to partial credit.
  package var surplus = SceneJudge.Surplus.penalized

  package init(label: String = name) { self.label = label }

  package init(_ section: RecipeSection, label: String, device: Device) {
    self.label = label
    mode = section.choice("mode", default: .partial)
    surplus = section.choice("surplus", default: .penalized)
    if mode == .strict, surplus == .ignored {
      section.report("surplus", "applies to partial credit, and mode is strict")
    }
  }

  package static func checkPrompt(_ metadata: [String: JSONValue]) throws(PromptFault) {
    _ = try ScenePrompt(metadata: metadata)
  }

  package func makeReward() -> any Reward {
    ShapesReward(mode: mode, surplus: surplus, name: label)
  }
}
