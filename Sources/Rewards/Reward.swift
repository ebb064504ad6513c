package import ImageFiles
package import JSON
package import ShapeScenes

/// One image to be scored, with the prompt it was made for: plain values, so that scorers may run
/// anywhere.
package struct RewardSample: Sendable {
  /// The decoded image.
  package var image: PixelBuffer
  /// The text the image was made from.
  package var prompt: String
  /// What the image must show, where the prompt file says so.
  package var scene: ScenePrompt?
  /// Everything that the prompt file's line says, by key; empty for a prompt that is text alone.
  package var metadata: [String: JSONValue]

  package init(
    image: PixelBuffer, prompt: String, scene: ScenePrompt? = nil,
    metadata: [String: JSONValue] = [:]
  ) {
    self.image = image
    self.prompt = prompt
    self.scene = scene
    self.metadata = metadata
  }

  /// A sample of a prompt that says what the image must show.
  package init(image: PixelBuffer, scene: ScenePrompt) {
    self.init(image: image, prompt: scene.prompt, scene: scene)
  }
}

/// What a scorer says about a batch.
package struct RewardScores: Sendable, Equatable {
  /// One score per sample, in order; nil where the sample could not be scored. Larger is better;
  /// the range is the scorer's.
  package var total: [Double?]
  /// Named figures beside the total, one per sample each, for metrics and reports.
  package var parts: [Part]
  /// Why samples without a score have none, by their index: a few words that are the same for every
  /// sample with this trouble, such as `timed out`, so that they can be counted.
  package var reasons: [Int: String]

  /// One named figure.
  package struct Part: Sendable, Equatable {
    /// A stable name: it becomes part of metric names.
    package var name: String
    /// One value per sample, in order; nil where there is none.
    package var values: [Double?]

    package init(name: String, values: [Double?]) {
      self.name = name
      self.values = values
    }
  }

  package init(total: [Double?], parts: [Part] = [], reasons: [Int: String] = [:]) {
    precondition(
      parts.allSatisfy { $0.values.count == total.count }, "every part has one value per sample")
    self.total = total
    self.parts = parts
    self.reasons = reasons
  }

  /// The values of the part with this name, nil when there is no such part.
  package subscript(part name: String) -> [Double?]? {
    parts.first { $0.name == name }?.values
  }
}

/// Scores images: the reward of a training run or the measure of an evaluation.
///
/// A scorer is asked with a whole batch and answers in its order. A sample that cannot be scored
/// gets nil and takes no part in advantages; a scorer that fails as a whole throws ``RewardError``.
package protocol Reward: Sendable {
  /// The name recipes and metrics use.
  var name: String { get }
  /// Scores every sample of the batch, which may be empty.
  func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores
}
