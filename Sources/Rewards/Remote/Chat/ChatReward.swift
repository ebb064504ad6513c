import Foundation
import Foundations

/// Scores from a vision model behind an OpenAI-compatible chat service: one question per image,
/// whose answer holds the score.
package struct ChatReward: Reward {
  package let name: String
  package let imagesAtOnce: Int?
  private let question: ChatQuestion
  private let expression: NSRegularExpression
  private let service: ChatService

  /// The largest number of tokens in one answer that is read by pattern; enough for a model that
  /// lists what it sees first.
  private static let maxTokens = 2048

  /// - Throws: ``RewardError/setting(reward:key:reason:)`` for an address, a key or a pattern that
  ///   cannot be used.
  package init(_ service: ServiceSettings, _ question: ChatQuestion) throws(RewardError) {
    name = service.label
    imagesAtOnce = service.concurrency
    self.question = question
    expression = try question.expression(label: service.label)
    self.service = try ChatService(
      service, refusal: question.reading == .digitExpectation ? Self.noLogprobs : nil)
  }

  private static let noLogprobs = HTTPWorker.KnownRefusal(
    word: "logprob",
    remedy: "read: digit_expectation asks for logprobs with top_logprobs "
      + "\(DigitDistribution.tokens); use a model and a server that give them (vLLM: "
      + "--max-logprobs \(DigitDistribution.tokens) or more), or read: pattern")

  /// Scores every sample.
  ///
  /// A sample without an answer, or whose answer holds no score, is nil, with the reason in
  /// ``RewardScores/reasons``. The part `digit_mass` of `read: digit_expectation` is the
  /// probability that the first token is a digit.
  ///
  /// - Throws: ``RewardError/failed(reward:reason:)`` for a fault that only a person can fix: a
  ///   wrong address, a missing key, a model that is not served or gives no log probabilities.
  package func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    let shown = question.showsSources ? samples : samples.map(\.withoutSources)
    let images = try await EncodedImages(shown, reward: name)
    let answers = try await concurrently(Array(samples.indices), reward: name) {
      index async throws(RemoteFault) in
      try await service.ask(request(samples[index], images.samples[index], images.sources)) {
        choice throws(RemoteFault) in
        try score(choice)
      }
    }
    return RewardScores(joining: answers.map { RewardScores($0, count: 1) })
  }

  private func request(
    _ sample: RewardSample, _ files: EncodedImages.Sample, _ sources: [[UInt8]]
  ) -> ChatRequest {
    var request = ChatRequest(
      model: question.model,
      images: files.sources.map { sources[$0] } + [files.result],
      text: question.text(for: sample), maxTokens: Self.maxTokens)
    if question.reading == .digitExpectation {
      request.maxTokens = 1
      request.options = [
        .init("logprobs", true), .init("top_logprobs", .int(DigitDistribution.tokens)),
      ]
    }
    return request
  }

  private func score(_ choice: JSONValue) throws(RemoteFault) -> RewardScores {
    switch question.reading {
    case .digitExpectation:
      let digits = try DigitDistribution(choice, largest: question.largestDigit)
      return RewardScores(
        total: [digits.score], parts: [.init(name: "digit_mass", values: [digits.mass])])
    case .pattern:
      let found = ChatAnswer(choice)
      guard let score = found.score(pattern: expression) else { throw found.noScore }
      return RewardScores(total: [score / question.scale])
    }
  }
}
