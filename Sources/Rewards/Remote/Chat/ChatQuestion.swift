import Foundation

/// The question of a chat reward, and how its answer is read.
package struct ChatQuestion: Sendable, Equatable {
  /// The name under which the service has the model.
  package var model: String
  /// The question; `{prompt}` stands for the prompt of the image.
  package var prompt: String
  /// A regular expression whose first group is the score in the answer.
  package var pattern: String
  /// The divisor of the score.
  package var scale = 1.0

  package init(model: String, prompt: String, pattern: String, scale: Double = 1) {
    self.model = model
    self.prompt = prompt
    self.pattern = pattern
    self.scale = scale
  }

  /// A decimal number after "Score:", which may be set in bold type or quoted.
  package static let scorePattern =
    #"(?i)(?<![a-z])score["*_`\s]*[:\uFF1A]["*_`\s]*([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)"#

  /// The compiled ``pattern``.
  ///
  /// - Throws: ``RewardError/setting(reward:key:reason:)`` for a pattern that is no regular
  ///   expression or has no group.
  func expression(label: String) throws(RewardError) -> NSRegularExpression {
    do {
      let expression = try NSRegularExpression(pattern: pattern)
      if expression.numberOfCaptureGroups >= 1 { return expression }
    } catch {}
    throw .setting(
      reward: label, key: "pattern",
      reason: "must be a regular expression with a group around the number, such as "
        + "\(Self.scorePattern)")
  }
}
