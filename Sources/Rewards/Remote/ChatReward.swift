import Foundation
import ImageFiles
import JSON

/// Scores from a vision model behind an OpenAI-compatible chat service: one question about each
/// image, whose answer holds the score.
///
/// Made for what vLLM, SGLang and llama.cpp's server have in common; `docs/rewards/chat.md` has
/// their differences.
package struct ChatReward: Reward {
  package let name: String
  private let model: String
  private let template: String
  private let pattern: String
  private let scale: Double
  private let workers: RemoteWorkers

  /// Tokens of one answer, at most: enough for a model that lists what it sees first.
  private static let mostTokens = 2048

  /// - Throws: `RewardError.setting` for an address, a key or a pattern that cannot be used.
  package init(_ settings: RewardSettings) throws(RewardError) {
    let isUnifiedReward = settings.name == "unifiedreward"
    name = settings.label
    model = settings.model ?? (isUnifiedReward ? Self.unifiedRewardModel : "default")
    template = settings.prompt ?? Self.unifiedRewardPrompt
    pattern = settings.pattern ?? (isUnifiedReward ? Self.unifiedRewardPattern : Self.scorePattern)
    scale = isUnifiedReward ? 5 : 1
    try Self.check(pattern: pattern, label: settings.label)
    workers = try HTTPWorker.all(settings, path: "chat/completions")
  }

  /// Asks about every sample.
  ///
  /// A sample whose answer holds no score, or gets no answer, is nil, with why in
  /// ``RewardScores/reasons``. Throws ``RewardError/failed(reward:reason:)`` for what a person has
  /// to see to: a wrong address, a missing key, a model that is not served.
  package func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    let answers = try await concurrently(samples, reward: name) {
      sample async throws(RemoteFault) in
      try await workers.ask(try request(sample)) { bytes, sender throws(RemoteFault) in
        try score(in: bytes, from: sender)
      }
    }
    return RewardScores(
      joining: answers.map { answer in
        RewardScores(answer.map { RewardScores(total: [$0]) }, count: 1)
      })
  }

  private func request(_ sample: RewardSample) throws(RemoteFault) -> [UInt8] {
    let image: String
    do throws(ImageFileError) {
      image = Data(try PNG.encode(sample.image)).base64EncodedString()
    } catch {
      throw .permanent(detail: error.description)
    }
    let text = template.replacing("{prompt}", with: sample.prompt)
    let request: JSONValue = [
      "model": .string(model),
      "messages": [
        [
          "role": "user",
          "content": [
            ["type": "image_url", "image_url": ["url": .string("data:image/png;base64,\(image)")]],
            ["type": "text", "text": .string(text)],
          ],
        ]
      ],
      "temperature": 0, "max_tokens": .int(Self.mostTokens), "stream": false,
    ]
    return Array(request.text.utf8)
  }

  private func score(in bytes: [UInt8], from sender: String) throws(RemoteFault) -> Double {
    let answer = try ScoringProtocol.parse(bytes, from: sender)
    guard let choice = answer["choices"]?.array?.first, choice["message"] != nil else {
      throw .transient(.badAnswer, detail: "\(sender) answers without choices[0].message")
    }
    let found = ChatAnswer(choice)
    guard let expression = Self.expression(pattern), let score = found.score(pattern: expression)
    else {
      let cut = found.isCut ? ", which was cut off," : ""
      throw .transient(
        .noMatch, detail: "the answer\(cut) holds no score: \(found.text.suffix(200))")
    }
    return score / scale
  }

  private static func expression(_ pattern: String) -> NSRegularExpression? {
    do { return try NSRegularExpression(pattern: pattern) } catch { return nil }
  }

  /// Makes sure that a pattern can be used.
  static func check(pattern: String, label: String) throws(RewardError) {
    guard let expression = expression(pattern), expression.numberOfCaptureGroups >= 1 else {
      throw .setting(
        reward: label, key: .pattern,
        reason: "must be a regular expression with a group around the number, such as "
          + "\(scorePattern)")
    }
  }

  /// A decimal number after "Score:", which may be set in bold type or quoted.
  package static let scorePattern =
    #"(?i)(?<![a-z])score["*_`\s]*[:\uFF1A]["*_`\s]*([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)"#

  /// The name under which the published checkpoint is usually served.
  private static let unifiedRewardModel = "UnifiedReward-7b-v1.5"
  /// 1 to 5 after "Final Score:".
  private static let unifiedRewardPattern = #"(?i)final score[*_\s]*:[*_\s]*([1-5](?:\.\d+)?)"#
  /// The question that UnifiedReward was trained on for single images (CodeGoat24/UnifiedReward);
  /// in other words it would be another reward.
  private static let unifiedRewardPrompt = """
    You are given a text caption and a generated image based on that caption. Your task is to \
    evaluate this image based on two key criteria:
    1. Alignment with the Caption: Assess how well this image aligns with the provided caption. \
    Consider the accuracy of depicted objects, their relationships, and attributes as described in \
    the caption.
    2. Overall Image Quality: Examine the visual quality of this image, including clarity, detail \
    preservation, color accuracy, and overall aesthetic appeal.
    Based on the above criteria, assign a score from 1 to 5 after 'Final Score:'.
    Your task is provided as follows:
    Text Caption: [{prompt}]
    """
}
