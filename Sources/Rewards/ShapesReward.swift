import ImageFiles
import ShapeScenes

/// The embedded verifier of the `shapes` task: counts, colors, positions and attributes of drawn
/// shapes.
///
/// The total is the mode's figure. It is a part under the reward's name, too, and the part `strict`
/// is there whatever the mode, so that accuracy can be read from any run. A sample that does not
/// say what its image must show cannot be scored.
package struct ShapesReward: Reward {
  /// What the total is.
  package enum Mode: String, CaseIterable, Sendable {
    /// Credit for what is right, 0...1, and 1 only when all is exact.
    case partial
    /// 1 when everything is exact, else 0.
    case strict
  }

  package let name: String
  package let mode: Mode

  package init(mode: Mode = .partial, name: String = "shapes") {
    self.mode = mode
    self.name = name
  }

  /// The scorer of checked settings.
  init(_ settings: RewardSettings) {
    self.init(mode: settings.mode.flatMap(Mode.init) ?? .partial, name: settings.label)
  }

  /// Scores every sample that says what its image must show.
  ///
  /// Throws ``RewardError/failed(reward:reason:)`` for images of another size than the task's.
  package func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    try SceneRenderer.checkSizes(samples, reward: name)
    let scores = samples.map { sample in
      sample.scene.map { SceneVerifier.score(sample.image, $0) }
    }
    let strict: [Double?] = scores.map { $0.map { $0.strict ? 1 : 0 } }
    let total = mode == .strict ? strict : scores.map { $0?.partial }
    return RewardScores(
      total: total,
      parts: [.init(name: name, values: total), .init(name: "strict", values: strict)])
  }
}

extension SceneRenderer {
  /// Makes sure that all images have the size that the verifier is made for.
  ///
  /// Throws ``RewardError/failed(reward:reason:)`` otherwise.
  static func checkSizes(_ samples: [RewardSample], reward: String) throws(RewardError) {
    for image in samples.lazy.map(\.image) where image.width != size || image.height != size {
      throw .failed(
        reward: reward,
        reason: "it judges images of \(size) x \(size) pixels, got \(image.width) x "
          + "\(image.height); use a model of the shapes task")
    }
  }
}
