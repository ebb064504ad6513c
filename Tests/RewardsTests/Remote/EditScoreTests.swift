import Foundation
import Foundations
import ImageFiles
import Recipes
import Rewards
import Testing

@Suite struct EditScoreTests {
  private static let server = Result { try ScriptedServer() }
  private let server: ScriptedServer

  init() throws { server = try Self.server.get() }

  private func sample(_ sources: [Int] = [3], prompt: String = "Make it night.") -> RewardSample {
    RewardSample(image: picture(8), sources: sources.map(picture), prompt: prompt)
  }

  private func answer(_ first: Double, _ second: Double) -> JSONValue {
    .string(#"{"reasoning": "so", "score": [\#(first), \#(second)]}"#)
  }

  private func scores(
    _ name: String, _ samples: [RewardSample], _ change: (inout EditScoreFactory) -> Void = { _ in }
  ) async throws -> RewardScores {
    var factory = EditScoreFactory(service("editscore", urls: [server.url(name)]))
    change(&factory)
    return try await factory.makeReward().score(samples)
  }

  private func content(_ request: JSONValue) throws -> [JSONValue] {
    try #require(request["messages"]?.array?[0]["content"]?.array)
  }

  @Test(
    arguments: [
      // The smaller number of each question, in units of 2.5; the geometric mean over 10.
      ([20.0, 25], [22.5, 20], 8, 8, 0.8), ([25, 25], [25, 25], 10, 10, 1),
      ([25, 0], [25, 25], 0, 10, 0), ([10, 22], [22.5, 25], 4, 9, 0.6),
      ([12.5, 13], [5, 20], 5, 2, 0.1.squareRoot()),
    ] as [([Double], [Double], Double, Double, Double)])
  func `the score is the geometric mean of the two questions' smaller numbers`(
    about edit: [Double], about quality: [Double], semantic: Double, perceptual: Double,
    total: Double
  ) async throws {
    let name = "mean-\(edit)-\(quality)".filter { $0.isLetter || $0.isNumber }
    try await server.script(
      name, ["2": answer(edit[0], edit[1]), "1": answer(quality[0], quality[1])])
    let scores = try await scores(name, [sample()])
    #expect(scores.reasons.isEmpty)
    #expect(abs(try #require(scores.total[0]) - total) < 1e-12)
    #expect(scores[part: "semantic_consistency"] == [semantic])
    #expect(scores[part: "perceptual_quality"] == [perceptual])
  }

  @Test func `the edit is judged with its source before it, and the quality alone`() async throws {
    try await server.script("asks", ["2": answer(20, 20), "1": answer(20, 20)])
    #expect(try await scores("asks", [sample()]).total == [0.8])
    let requests = try await server.requests("asks").sorted {
      try content($0).count > content($1).count
    }
    try #require(requests.count == 2)
    let (edit, quality) = (try content(requests[0]), try content(requests[1]))
    #expect(
      edit.dropLast().map { $0["image_url"]?["url"] } == [try pictureURL(3), try pictureURL(8)])
    #expect(quality.dropLast().map { $0["image_url"]?["url"] } == [try pictureURL(8)])
    for request in requests {
      #expect(request["model"] == "EditScore-Qwen3-VL-8B-Instruct")
      #expect(request["temperature"] == 0.7 && request["top_p"] == 0.9 && request["seed"] == 42)
      #expect(request["max_tokens"] == 512 && request["stream"] == false)
    }
  }

  /// The digests are those of the texts that the Python package `editscore` 0.2 makes with
  /// `score_range` 25 and 10.
  @Test(arguments: [
    (
      25, "40968dd88b3e79011b30f2d429f7e4b4972d4f95e4583394d9c0a307100ef6a3",
      "8249deba103d112dddd4c2e7fe1d5a1c40fe3143dc640a422a19aced0d260c78"
    ),
    (
      10, "37d12114d0f1194f0a1508061cedfb99486d8ce97458d23f6adb557ebecee9e6",
      "bdbaa445cde2970030de9628b0736dbe2a2f6e12aee583bb11687a9ad32ef39f"
    ),
  ])
  func `the questions are the words that the model was trained with`(
    scale: Int, edit: String, quality: String
  ) async throws {
    let name = "words-\(scale)"
    try await server.script(name, ["": answer(5, 10)])
    #expect(try await scores(name, [sample()]) { $0.scale = scale }.total == [5 / Double(scale)])
    let digests = try await server.requests(name).map { request in
      let text = try #require(try content(request).last?["text"]?.string)
      return SHA256.digest(of: Array(text.utf8))
    }
    #expect(Set(digests) == [edit, quality])
  }

  @Test func `an instruction with placeholders is quoted as it is`() async throws {
    try await server.script("braces", ["": answer(20, 20)])
    let prompt = "write \"{prompt} <instruction>\" in 10 letters"
    _ = try await scores("braces", [sample(prompt: prompt)])
    let texts = try await server.requests("braces").map { try content($0).last?["text"]?.string }
    #expect(texts.contains { $0?.hasSuffix("\nEditing instruction: \(prompt)\n") == true })
  }

  @Test func `image_numbers puts a number before each image`() async throws {
    try await server.script("numbers", ["": answer(20, 20)])
    _ = try await scores("numbers", [sample()]) { $0.imageNumbers = true }
    let contents = try await server.requests("numbers").map(content).sorted { $0.count > $1.count }
    func parts(_ content: [JSONValue]) -> [JSONValue?] {
      content.dropLast().map { $0["text"] ?? $0["image_url"]?["url"] }
    }
    let (source, result) = (try pictureURL(3), try pictureURL(8))
    let edit: [JSONValue?] = ["<img1>: ", source, "<img2>: ", result]
    #expect(parts(contents[0]) == edit)
    #expect(parts(contents[1]) == ["<img1>: ", result])
  }

  @Test func `passes have their own seeds and are averaged after the geometric mean`()
    async throws
  {
    try await server.script(
      "passes",
      [
        "2/42": answer(25, 25), "1/42": answer(25, 25), "2/43": answer(0, 25),
        "1/43": answer(25, 25), "2/44": answer(10, 10), "1/44": answer(22.5, 25),
      ])
    let scores = try await scores("passes", [sample(), sample([])]) { $0.passes = 3 }
    let expected: [(found: Double??, value: Double)] = [
      (scores.total[0], 1.6 / 3), (scores[part: "semantic_consistency"]?[0], 14.0 / 3),
      (scores[part: "perceptual_quality"]?[0], 29.0 / 3),
    ]
    for (found, value) in expected {
      let found = try #require(found ?? nil)
      #expect(abs(found - value) < 1e-12)
    }
    #expect(try await server.bodies("passes").count == 6)
  }

  @Test(arguments: [
    #"{"score": [20]}"#, #"{"score": [20, 22, 24]}"#, #"{"score": [20, 26]}"#,
    #"{"score": [20, NaN]}"#, #"{"score": ["20", "22"]}"#, "It is fine.", "",
  ])
  func `an answer that cannot be read is no score, never a number`(text: String) async throws {
    let name = "vague-\(text.utf8.reduce(7) { ($0 * 31 + Int($1)) % 999_983 })"
    for (count, other) in [("2", "1"), ("1", "2")] {
      try await server.script(name, [count: .string(text), other: answer(20, 20)])
      let scores = try await scores(name, [sample()])
      #expect(scores.total == [nil])
      #expect(scores.reasons == [0: "no score in the answer"])
      #expect(scores[part: "semantic_consistency"] ?? [nil] == [nil])
    }
  }

  @Test func `an answer that is cut off within its numbers is no score`() async throws {
    let cut: JSONValue = [
      "choice": [
        "message": ["content": #"{"reasoning": "so", "score": [20, 2"#], "finish_reason": "length",
      ]
    ]
    try await server.script("cut", ["2": cut, "1": answer(20, 20)])
    #expect(try await scores("cut", [sample()]).reasons == [0: "no score in the answer"])
  }

  @Test func `one pass of several that cannot be read leaves the sample without a score`()
    async throws
  {
    try await server.script(
      "pass", ["2": answer(20, 20), "1": answer(20, 20), "1/44": "It is fine."])
    let scores = try await scores("pass", [sample(), sample()]) { $0.passes = 4 }
    #expect(scores.total == [nil, nil])
    #expect(
      scores.reasons == [0: "no score in the answer", 1: "no score in the answer"])
  }

  @Test func `an answer that cannot be read is asked for again with another seed`() async throws {
    try await server.script(
      "again", ["2": answer(20, 20), "1": answer(20, 20), "1/43": "Well.", "1/45": "Fine."])
    let scores = try await scores("again", [sample()]) {
      $0.passes = 2
      $0.service.retry.retries = 2
    }
    #expect(scores.total == [0.8])
    let seeds = try await server.requests("again").compactMap { $0["seed"]?.int }.sorted()
    #expect(seeds == [42, 42, 43, 43, 45, 47])
  }

  @Test func `without a temperature the same answer would come, so it is asked for once`()
    async throws
  {
    try await server.script("cold", ["2": answer(20, 20), "1": "Well."])
    let scores = try await scores("cold", [sample()]) {
      $0.temperature = 0
      $0.service.retry.retries = 5
    }
    #expect(scores.total == [nil])
    #expect(try await server.bodies("cold").count == 2)
  }

  @Test func `a service that fails for one question leaves its sample alone without a score`()
    async throws
  {
    try await server.script(
      "refuses",
      [
        "2": answer(20, 20), "1": answer(20, 20),
        "1/43": ["status": 413, "body": ["error": "too large"]],
      ])
    let reward = try await scores("refuses", [sample(), sample([]), sample([3, 4])]) {
      $0.passes = 2
    }
    #expect(reward.total == [nil, nil, nil])
    #expect(
      reward.reasons == [
        0: "request refused", 1: "not exactly one source image", 2: "not exactly one source image",
      ])
    #expect(try await scores("refuses", [sample(), sample([])]).total == [0.8, nil])
    #expect(try await scores("refuses", []) == RewardScores(total: []))
  }

  @Test func `a model that is not served ends the run`() async throws {
    try await server.script("unserved", [:])
    let error = await #expect(throws: RewardError.self) {
      try await scores("unserved", [sample()])
    }
    #expect(error?.description.contains("answers 404") == true)
  }

  @Test func `a prompt without exactly one picture is refused at the start`() throws {
    try EditScoreFactory.checkPrompt(["image": "a.png"])
    try EditScoreFactory.checkPrompt(["images": ["a.png"]])
    let faulty: [[String: JSONValue]] = [
      [:], ["image": 3], ["image": ""], ["images": []], ["images": ["a.png", "b.png"]],
      ["images": [3]], ["image": .null],
    ]
    for metadata in faulty {
      let fault = #expect(throws: PromptFault.self) { try EditScoreFactory.checkPrompt(metadata) }
      #expect(fault?.description.contains("name its file in \"image\"") == true, "\(metadata)")
    }
  }

  @Test func `the keys of a recipe are read with EditScore's defaults`() throws {
    func read(_ more: String...) throws -> EditScoreFactory {
      let entry = try RewardEntry.read("editscore", ["urls=['http://a']"] + more).settings
      return try #require(entry.factory as? EditScoreFactory)
    }
    let plain = try read()
    #expect(plain == EditScoreFactory(ServiceSettings(label: "editscore", urls: ["http://a"])))
    #expect(plain.scale == 25 && plain.passes == 1 && plain.temperature == 0.7)
    let other = try read("model=m", "scale=10", "passes=4", "temperature=1", "image_numbers=true")
    #expect(other.model == "m" && other.scale == 10 && other.passes == 4)
    #expect(other.temperature == 1 && other.imageNumbers)
    for (setting, says) in [
      ("scale=0", "scale: must be"), ("passes=0", "passes: must be"),
      ("temperature=3", "temperature: must be"),
      ("passes=4", "passes: must be 1 with temperature 0"),
    ] {
      let error = #expect(throws: RecipeError.self) { try read("temperature=0", setting) }
      #expect(error?.issues.map(\.message).contains { $0.hasPrefix(says) } == true, "\(setting)")
    }
  }
}
