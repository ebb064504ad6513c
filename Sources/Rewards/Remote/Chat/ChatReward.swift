import Foundation
import Foundations
import ImageFiles

/// Scores from a vision model behind an OpenAI-compatible chat service: one question per image,
/// whose answer holds the score.
///
/// It uses what vLLM, SGLang and llama.cpp's server have in common; `docs/rewards/chat.md` lists
/// their differences.
package struct ChatReward: Reward {
  package let name: String
  private let question: ChatQuestion
  private let expression: NSRegularExpression
  private let workers: RemoteWorkers

  /// The largest number of tokens in one answer; enough for a model that lists what it sees first.
  private static let maxTokens = 2048

  /// - Throws: ``RewardError/setting(reward:key:reason:)`` for an address, a key or a pattern that
  ///   cannot be used.
  package init(_ service: ServiceSettings, _ question: ChatQuestion) throws(RewardError) {
    name = service.label
    self.question = question
    expression = try question.expression(label: service.label)
    workers = try HTTPWorker.all(service, path: "chat/completions")
  }

  /// Scores every sample.
  ///
  /// A sample without an answer, or whose answer holds no score, is nil, with the reason in
  /// ``RewardScores/reasons``.
  ///
  /// - Throws: ``RewardError/failed(reward:reason:)`` for a fault that only a person can fix: a
  ///   wrong address, a missing key, a model that is not served.
  package func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    let answers = try await concurrently(samples, reward: name) {
      sample async throws(RemoteFault) in
      let request = try request(sample)
      return try await workers.ask { request } read: { bytes, sender throws(RemoteFault) in
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
    let text = question.prompt.replacing("{prompt}", with: sample.prompt)
    let request: JSONValue = [
      "model": .string(question.model),
      "messages": [
        [
          "role": "user",
          "content": [
            ["type": "image_url", "image_url": ["url": .string("data:image/png;base64,\(image)")]],
            ["type": "text", "text": .string(text)],
          ],
        ]
      ],
      "temperature": 0, "max_tokens": .int(Self.maxTokens), "stream": false,
    ]
    return Array(request.text.utf8)
  }

  private func score(in bytes: [UInt8], from sender: String) throws(RemoteFault) -> Double {
    let answer = try ScoringProtocol.parse(bytes, from: sender)
    guard let choice = answer["choices"]?.array?.first, choice["message"] != nil else {
      throw .transient(.badAnswer, detail: "\(sender) answers without choices[0].message")
    }
    let found = ChatAnswer(choice)
    guard let score = found.score(pattern: expression) else {
      let cut = found.isCut ? ", which was cut off," : ""
      throw .transient(
        .noMatch, detail: "the answer\(cut) holds no score: \(found.text.suffix(200))")
    }
    return score / question.scale
  }
}
