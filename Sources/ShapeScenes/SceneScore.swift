/// The score of an image for a prompt.
package struct SceneScore: Hashable, Sendable {
  /// Whether the image shows exactly the wanted objects.
  package var strict: Bool
  /// Credit in 0...1: 1 when strict, otherwise at most ``SceneJudge/nearMiss``; with surplus
  /// objects ignored, 1 as well when everything wanted is there.
  package var partial: Double

  package init(strict: Bool, partial: Double) {
    self.strict = strict
    self.partial = partial
  }
}
