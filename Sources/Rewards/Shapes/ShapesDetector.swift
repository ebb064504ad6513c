import ImageFiles
import ShapeScenes

/// The embedded verifier's detector: finds the drawn shapes of the `shapes` task and their colors.
///
/// An object whose shape is clear has confidence 1, any other the likeness to its best-fitting
/// shape.
package struct ShapesDetector: ObjectDetector {
  /// The reward's label, for errors.
  private let reward: String

  package init(for reward: String = GenEvalFactory.name) { self.reward = reward }

  package func detect(
    _ samples: [RewardSample]
  ) async throws(RewardError) -> [Detection<[DetectedObject]>] {
    try SceneRenderer.checkSizes(samples.map(\.image), reward: reward)
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
