package import ImageFiles

/// An object that a detector found in an image.
package struct DetectedObject: Sendable, Equatable {
  /// The class, in the words of prompts: `wine glass`.
  package var label: String
  /// The detector's confidence, 0...1.
  package var confidence: Double
  package var box: BoundingBox
  /// The color, in the words of prompts; nil where the detector did not judge it.
  package var color: String?

  package init(_ label: String, confidence: Double, box: BoundingBox, color: String? = nil) {
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
  /// The samples' metadata holds the classes and colors that a prompt names, so a detector can
  /// leave out the colors that no prompt names.
  ///
  /// - Throws: ``RewardError`` when the whole batch fails.
  func detect(_ samples: [RewardSample]) async throws(RewardError) -> [Detection<[DetectedObject]>]
}
