import ShapeScenes

/// The embedded verifier's eyes: finds the drawn shapes of the `shapes` task, and their colors.
///
/// An object whose shape is beyond doubt has confidence 1, any other its likeness to the shape that
/// fits best.
package struct ShapesDetector: ObjectDetector {
  /// The reward's name, for errors.
  private let reward: String

  package init(for reward: String = "geneval") { self.reward = reward }

  package func detect(
    _ samples: [RewardSample]
  ) async throws(RewardError) -> [Detection<[DetectedObject]>] {
    try SceneRenderer.checkSizes(samples, reward: reward)
    return samples.map { sample in
      .seen(
        SceneVerifier.findings(in: sample.image).objects.map { object in
          DetectedObject(
            object.shape.rawValue,
            confidence: object.isShapeClear ? 1 : Double(object.likeness(to: object.shape)),
            box: object.box, color: object.color.rawValue)
        })
    }
  }
}
