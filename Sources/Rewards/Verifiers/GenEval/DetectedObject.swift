package import ShapeScenes

/// An object that a detector found in an image.
package struct DetectedObject: Sendable, Equatable {
  /// The class, in the words that prompts use: `wine glass`.
  package var label: String
  /// How sure the detector is, 0...1.
  package var confidence: Double
  package var box: SceneBox
  /// The color, in the words that prompts use; nil where the detector did not judge it.
  package var color: String?

  package init(_ label: String, confidence: Double, box: SceneBox, color: String? = nil) {
    self.label = label
    self.confidence = confidence
    self.box = box
    self.color = color
  }
}

/// Finds labelled objects in images, for ``GenEvalReward``.
package protocol ObjectDetector: Sendable {
  /// The objects of every image, in the samples' order.
  ///
  /// The samples' metadata says which classes and colors a prompt asks for, so that a detector need
  /// not judge the color of objects for which none is asked.
  ///
  /// Throws ``RewardError`` when it fails as a whole.
  func detect(_ samples: [RewardSample]) async throws(RewardError) -> [Detection<[DetectedObject]>]
}
