import Foundation
import Foundations

/// The question of a chat reward, and how its answer is read.
package struct ChatQuestion: Sendable, Equatable {
  /// How a score is read from an answer.
  package enum Reading: String, CaseIterable, Sendable {
    /// The number that ``ChatQuestion/pattern`` finds in the text.
    case pattern
    /// The expected digit of the first token, see ``DigitDistribution``.
    case digitExpectation = "digit_expectation"
  }

  /// The name under which the service has the model.
  package var model: String
  /// The question; `{prompt}` stands for the prompt of the image and `{requirement}` for the text
  /// under `requirement` in the prompt's metadata, empty without one.
  package var prompt: String
  package var reading = Reading.pattern
  /// A regular expression whose first group is the score in the answer.
  package var pattern: String
  /// The divisor of the score that ``pattern`` finds.
  package var scale = 1.0
  /// The largest digit of ``Reading/digitExpectation``, 1...9.
  package var largestDigit = 5
  /// Whether the sample's sources are shown before the image to score.
  package var showsSources = true

  package init(model: String, prompt: String, pattern: String, scale: Double = 1) {
    self.model = model
    self.prompt = prompt
    self.pattern = pattern
    self.scale = scale
  }

  /// A decimal number after "Score:", which may be set in bold type or quoted.
  package static let scorePattern =
    #"(?i)(?<![a-z])score["*_`\s]*[:\uFF1A]["*_`\s]*([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)"#

  /// The text of the question about a sample. Other words in braces, and those in the sample's own
  /// texts, stay as they are.
  func text(for sample: RewardSample) -> String {
    prompt.replacing(/\{(prompt|requirement)\}/) { match in
      match.output.1 == "prompt" ? sample.prompt : sample.metadata["requirement"]?.string ?? ""
    }
  }

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
