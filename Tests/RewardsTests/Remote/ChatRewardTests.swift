import ImageFiles
import Rewards
import Testing

@Suite struct ChatRewardTests {
  private static let server = Result { try FaultyServer() }
  private let server: FaultyServer

  init() throws { server = try Self.server.get() }

  private func sample(_ prompt: String) -> RewardSample {
    RewardSample(image: PixelBuffer(width: 8, height: 8), prompt: prompt)
  }

  @Test func `unifiedreward divides by 5, and an answer without a score has none`()
    async throws
  {
    let reward = try UnifiedRewardFactory(
      service("unifiedreward", urls: [server.url("chat")])
    ).makeReward()
    let scores = try await reward.score(["wordy", "vague", "none", "six"].map(sample))
    #expect(scores.total == [0.9, nil, nil, nil])
    #expect(
      scores.reasons == [
        1: "no score in the answer", 2: "no score in the answer", 3: "no score in the answer",
      ])
  }

  @Test func `the recipe's question and pattern are used`() async throws {
    var vlm = VLMFactory(service("vlm", urls: [server.url("chat")]), prompt: "Rate [{prompt}]")
    vlm.question.pattern = #"Score: (\d)"#
    let scores = try await vlm.makeReward().score([sample("six"), sample("ab")])
    #expect(scores.total == [6, Double("Rate [ab]".count % 5 + 1)])
  }

  @Test func `a server that loads its model is waited for`() async throws {
    var vlm = VLMFactory(service("vlm", urls: [server.url("loading")]), prompt: "[{prompt}]")
    vlm.service.retry.outageTimeout = 10
    #expect(try await vlm.makeReward().score([sample("six")]).total == [6])
  }

  @Test func `a model that is not served ends the run with the server's message`() async throws {
    let vlm = VLMFactory(service("vlm", urls: [server.url("unserved")]), prompt: "{prompt}")
    let reward = try vlm.makeReward()
    let error = await #expect(throws: RewardError.self) { try await reward.score([sample("a")]) }
    #expect(error?.description.contains("The model `x` does not exist.") == true)
  }

  @Test(arguments: ["Score: [0-9]+", "Score: ([0-9]+"])
  func `a pattern without a group, or that is no regular expression, is refused`(pattern: String) {
    var vlm = VLMFactory(service("vlm", urls: ["http://127.0.0.1/v1"]), prompt: "{prompt}")
    vlm.question.pattern = pattern
    let error = #expect(throws: RewardError.self) { try vlm.check() }
    #expect(
      error?.description.contains("pattern must be a regular expression with a group") == true)
  }
}
