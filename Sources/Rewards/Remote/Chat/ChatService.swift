import Foundations

/// An OpenAI-compatible chat service.
///
/// Requests hold what vLLM, SGLang and llama.cpp's server have in common; `docs/rewards/chat.md`
/// lists their differences.
struct ChatService: Sendable {
  private let workers: RemoteWorkers

  /// - Parameter refusal: a refusal of the request that has a known remedy.
  /// - Throws: ``RewardError/setting(reward:key:reason:)`` for an address or a key that cannot be
  ///   used.
  init(
    _ settings: ServiceSettings, refusal: HTTPWorker.KnownRefusal? = nil
  ) throws(RewardError) {
    workers = try HTTPWorker.all(settings, path: "chat/completions", refusal: refusal)
  }

  /// Sends a question until it has a valid answer, or until no attempt is left.
  ///
  /// - Parameter read: reads the first of the answer's `choices`, which has a `message`.
  /// - Throws: the last fault.
  func ask<Answer: Sendable>(
    _ request: ChatRequest,
    read: @Sendable (_ choice: JSONValue) throws(RemoteFault) -> Answer
  ) async throws(RemoteFault) -> Answer {
    try await workers.ask {
      request.bytes
    } read: { bytes, sender throws(RemoteFault) in
      let answer = try ScoringProtocol.parse(bytes, from: sender)
      guard let choice = answer["choices"]?.array?.first, choice["message"] != nil else {
        throw .transient(.badAnswer, detail: "\(sender) answers without choices[0].message")
      }
      return try read(choice)
    }
  }
}
