import Foundation
import Foundations
import ImageFiles
import Recipes
import Rewards
import Testing

/// `vlm` with condition images and with `read: digit_expectation`.
@Suite struct ChatSourceTests {
  private static let server = Result { try ScriptedServer() }
  private let server: ScriptedServer

  init() throws { server = try Self.server.get() }

  private func vlm(_ name: String, _ prompt: String) -> VLMFactory {
    VLMFactory(service("vlm", urls: [server.url(name)]), prompt: prompt)
  }

  private func sample(
    _ sources: [Int] = [], prompt: String = "a", metadata: [String: JSONValue] = [:]
  ) -> RewardSample {
    RewardSample(
      image: picture(8), sources: sources.map(picture), prompt: prompt, metadata: metadata)
  }

  /// The parts of a request's message.
  private func content(_ request: JSONValue?) throws -> [JSONValue] {
    try #require(request?["messages"]?.array?[0]["content"]?.array)
  }

  /// A choice whose first token has these candidates with their probabilities.
  private func choice(_ tokens: [(String, Double)]) -> JSONValue {
    let candidates = tokens.map { token, probability -> JSONValue in
      ["token": .string(token), "logprob": .double(log(probability))]
    }
    return [
      "choice": [
        "message": ["role": "assistant", "content": "4"], "finish_reason": "length",
        "logprobs": ["content": [["token": "4", "top_logprobs": .array(candidates)]]],
      ]
    ]
  }

  @Test func `a question about an image without sources is byte for byte what it was`()
    async throws
  {
    try await server.script("plain", ["": "Score: 7"])
    let scores = try await vlm("plain", "Rate {prompt}").makeReward().score([sample()])
    #expect(scores == RewardScores(total: [7]))
    let image = try pictureURL(8).text
    #expect(
      try await server.bodies("plain") == [
        #"{"model":"default","messages":[{"role":"user","content":["#
          + #"{"type":"image_url","image_url":{"url":\#(image)}},"#
          + #"{"type":"text","text":"Rate a"}]}],"#
          + #""temperature":0,"max_tokens":2048,"stream":false}"#
      ])
  }

  @Test func `sources come before the image, in order, and the text last`() async throws {
    try await server.script("sources", ["3": "Score: 7"])
    let reward = try vlm("sources", "{prompt}").makeReward()
    #expect(try await reward.score([sample([4, 3])]).total == [7])
    let content = try content(try await server.requests("sources").first)
    #expect(
      content.map { $0["image_url"]?["url"] ?? $0["text"] }
        == [try pictureURL(4), try pictureURL(3), try pictureURL(8), "a"])
  }

  @Test func `prompt and requirement are filled in once, and other words in braces stay`()
    async throws
  {
    try await server.script("words", ["": "Score: 7"])
    let reward = try vlm("words", #"{prompt}|{requirement}|{image}|{"score": 1}"#).makeReward()
    let requirements: [JSONValue?] = ["keep {prompt}", nil, .null]
    for requirement in requirements {
      let metadata = requirement.map { ["requirement": $0] } ?? [:]
      let sample = sample(prompt: "{requirement} a", metadata: metadata)
      #expect(try await reward.score([sample]).total == [7])
    }
    let texts = try await server.requests("words").map { try content($0).last?["text"]?.string }
    #expect(
      texts == [
        #"{requirement} a|keep {prompt}|{image}|{"score": 1}"#,
        #"{requirement} a||{image}|{"score": 1}"#, #"{requirement} a||{image}|{"score": 1}"#,
      ])
  }

  @Test func `a requirement that is no text is refused at the start`() throws {
    let fault = #expect(throws: PromptFault.self) {
      try VLMFactory.checkPrompt(["requirement": 3])
    }
    #expect(fault?.description.hasPrefix("requirement is 3, and the reward vlm reads it") == true)
    try VLMFactory.checkPrompt(["requirement": "a"])
    try VLMFactory.checkPrompt(["requirement": .null])
    try VLMFactory.checkPrompt([:])
  }

  @Test func `unifiedreward is shown the image alone, as it was trained`() async throws {
    try await server.script("unified", ["1": "Final Score: 4"])
    let reward = try UnifiedRewardFactory(
      service("unifiedreward", urls: [server.url("unified")])
    ).makeReward()
    #expect(try await reward.score([sample([4, 3])]).total == [0.8])
    try await server.script("unified", ["1": "Final Score: 5.8"])
    #expect(try await reward.score([sample([4, 3])]).total == [nil])
  }

  @Test func `digit_expectation asks for one token with its log probabilities`() async throws {
    try await server.script(
      "digits", ["2": choice([("4", 0.6), (" 4", 0.1), ("▁3", 0.1), ("No", 0.1), ("7", 0.1)])])
    var factory = vlm("digits", "{prompt}")
    factory.question.reading = .digitExpectation
    let scores = try await factory.makeReward().score([sample([3]), sample([3])])
    for index in 0..<2 {
      let score = try #require(scores.total[index])
      #expect(abs(score - (4 * 0.7 + 3 * 0.1) / 0.8 / 5) < 1e-12)
      let mass = try #require(scores[part: "digit_mass"]?[index])
      #expect(abs(mass - 0.8) < 1e-12)
    }
    let request = try await server.requests("digits")[0]
    #expect(request["max_tokens"] == 1 && request["temperature"] == 0)
    #expect(request["logprobs"] == true && request["top_logprobs"] == 20)
    #expect(try content(request).count == 3)
    factory.question.largestDigit = 9
    let nine = try #require(try await factory.makeReward().score([sample([3])]).total[0])
    #expect(abs(nine - (4 * 0.7 + 3 * 0.1 + 7 * 0.1) / 0.9 / 9) < 1e-12)
  }

  @Test func `an answer without digits or log probabilities has no score, with the reason`()
    async throws
  {
    try await server.script(
      "unsure", ["1": "4", "2": choice([("Sure", 0.95), ("4", 0.05)]), "3": choice([("2", 1)])])
    var factory = vlm("unsure", "{prompt}")
    factory.question.reading = .digitExpectation
    let samples = [sample(), sample([3]), sample([3, 4])]
    let scores = try await factory.makeReward().score(samples)
    #expect(scores.total == [nil, nil, 0.4])
    #expect(scores.reasons == [0: "no log probabilities", 1: "first token is no digit"])
    #expect(scores[part: "digit_mass"] == [nil, nil, 1])
    #expect(try await server.bodies("unsure").count == 3, "each is asked once")
  }

  @Test(arguments: [
    "This model does not support the 'logprobs' parameter.",
    "Requested sample logprobs of 20, which is greater than max allowed: 5",
  ])
  func `a refusal of log probabilities ends the run and says what to do`(says: String)
    async throws
  {
    try await server.script(
      "refusing", ["": ["status": 400, "body": ["error": ["message": .string(says)]]]])
    var factory = vlm("refusing", "{prompt}")
    factory.question.reading = .digitExpectation
    let digits = try factory.makeReward()
    let error = await #expect(throws: RewardError.self) { try await digits.score([sample()]) }
    let text = try #require(error?.description)
    #expect(text.contains("answers 400") && text.contains(says), "\(text)")
    #expect(text.contains("vLLM: --max-logprobs 20 or more), or read: pattern"), "\(text)")
    factory.question.reading = .pattern
    let scores = try await factory.makeReward().score([sample()])
    #expect(scores.reasons == [0: "request refused"])
  }

  @Test func `another refusal is one sample's`() async throws {
    try await server.script("large", ["": ["status": 400, "body": ["error": "image too large"]]])
    var factory = vlm("large", "{prompt}")
    factory.question.reading = .digitExpectation
    #expect(
      try await factory.makeReward().score([sample()]).reasons == [0: "request refused"])
  }

  @Test func `the keys of a recipe are read, and one without effect is a warning`() throws {
    let settings = ["urls=['http://a']", "prompt=a"]
    func read(_ more: String...) throws -> (ChatQuestion, warnings: [String]) {
      let recipe = try RewardEntry.read("vlm", settings + more)
      let factory = try #require(recipe.settings.factory as? VLMFactory)
      return (factory.question, recipe.warnings.map(\.message))
    }
    let plain = try read()
    #expect(plain.0.reading == .pattern && plain.0.largestDigit == 5 && plain.warnings.isEmpty)
    let digits = try read("read=digit_expectation", "digits=9", "pattern=(a)")
    #expect(digits.0.reading == .digitExpectation && digits.0.largestDigit == 9)
    #expect(digits.warnings == ["pattern: has no effect: read is digit_expectation"])
    #expect(try read("digits=3").warnings == ["digits: has no effect: read is pattern"])
    for (setting, says) in [
      ("digits=10", "digits: must be"), ("digits=0", "digits: must be"),
      ("read=digits", "read: \"digits\" is not one of pattern, digit_expectation"),
    ] {
      let error = #expect(throws: RecipeError.self) { try read("read=digit_expectation", setting) }
      #expect(error?.issues.map(\.message).contains { $0.hasPrefix(says) } == true, "\(setting)")
    }
  }
}
