import Foundation
import Foundations
import Runs
import TestSupport
import Testing

struct SummaryTests {
  private static func summary(_ trainingSeconds: Double = 12.5) -> RunSummary {
    RunSummary(
      recipe: "shapes", seed: 1, epochs: 30, isFinished: true,
      evaluationProtocol: .init(
        prompts: "/p/held-out.jsonl", promptCount: 3, imagesPerPrompt: 1, seed: 7, steps: 10,
        guidanceScale: 1, sampler: "ode", dtype: "float32", weights: "ema",
        reward: "shapes_strict"),
      evaluations: [
        .init(
          epoch: 0, trainingSeconds: 0,
          scores: TaggedScores([("counting", 0), ("colors", 1), ("counting", 0)])),
        .init(
          epoch: 30, trainingSeconds: 12.5,
          scores: TaggedScores([("counting", 1), ("colors", 1), ("counting", 0)])),
      ],
      phaseSeconds: ["rollout": 8, "update": 4.5], trainingSeconds: trainingSeconds,
      machine: Machine(device: "cpu", torch: "2.11.0"))
  }

  @Test func `a score has count, mean and standard error`() {
    let score = Score([1, 0, 1, 1])
    #expect(score.count == 4)
    #expect(score.mean == 0.75)
    // The sample deviation is 1/2, the root of 4 is 2.
    #expect(score.standardError == 0.25)
    #expect(Score([0.5]).standardError == nil)
  }

  @Test func `values of one prompt count as one in the standard error`() throws {
    // Means of the prompts are 1, 1/2 and 0; their deviation is 1/2, the root of 3 prompts is 1.73.
    let score = Score([1, 1, 0, 1, 0, 0], prompts: [4, 4, 7, 7, 2, 2])
    #expect(score.count == 6 && score.mean == 0.5)
    let error = try #require(score.standardError)
    let expected = 0.5 / 3.0.squareRoot()
    #expect(abs(error - expected) < 1e-15)
    #expect(Score([1, 0], prompts: [3, 3]).standardError == nil)
    #expect(Score([0.1, 0.1, 0.1], prompts: [1, 1, 2]).standardError == 0)
    // One of unequal size: residuals -0.25 (three) and 0.75, so sums of -0.75 and 0.75.
    let unequal = Score([0, 0, 0, 1], prompts: [0, 0, 0, 1])
    // sqrt(2 (0.5625 + 0.5625)) / 4
    #expect(unequal.standardError == 0.375)
    let tagged = TaggedScores(
      ofPrompts: [(0, "a", 1), (0, "a", nil), (1, "a", 0), (2, nil, 1), (2, nil, 1)])
    #expect(tagged.tags["a"] == Score([1, 0]))
    #expect(tagged.overall == Score([1, 0, 1, 1], prompts: [0, 1, 2, 2]))
  }

  @Test func `a score of no values has no mean, in memory, in JSON and in an older summary`()
    throws
  {
    let score = Score([])
    #expect(score.count == 0 && score.mean == nil && score.standardError == nil)
    #expect(String(decoding: try JSONEncoder().encode(score), as: UTF8.self) == #"{"count":0}"#)
    #expect(JSONValue(score)["mean"] == .null)
    let older = Data(#"{"count": 0, "mean": 0}"#.utf8)
    #expect(try JSONDecoder().decode(Score.self, from: older) == score)
  }

  @Test func `scores are taken per tag and overall`() {
    let scores = TaggedScores([("a", 1), ("b", 0), ("a", 0)])
    #expect(scores.tagMean == 0.25)
    #expect(TaggedScores([(nil, 1)]).tagMean == nil)
    #expect(scores.overall.count == 3)
    #expect(scores.tags.mapValues(\.count) == ["a": 2, "b": 1])
    #expect(scores.tags["a"]?.mean == 0.5)
  }

  @Test func `a tag without a value leaves no mean of the tags`() {
    let scores = TaggedScores([("a", 1), ("b", nil), ("a", nil)])
    #expect(scores.overall.count == 1 && scores.overall.mean == 1)
    #expect(scores.tags.mapValues(\.count) == ["a": 1, "b": 0])
    #expect(scores.tagMean == nil)
  }

  @Test func `before and after are the first and the last evaluation`() {
    let summary = Self.summary()
    #expect(summary.before.tags["counting"]?.mean == 0)
    #expect(summary.after.tags["counting"]?.mean == 0.5)
  }

  @Test func `a summary reads back equal, and writes the same bytes each time`() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/summary.json"
      let summary = Self.summary()
      try summary.write(to: path)
      #expect(try RunSummary.read(path) == summary)
      let bytes = try AtomicFile.read(path)
      try RunSummary.read(path).write(to: path)
      #expect(try AtomicFile.read(path) == bytes)
      let json = try JSONParser.parse(try AtomicFile.read(path)[...])
      #expect(json["protocol"]?["images_per_prompt"] == 1)
      #expect(json["finished"] == true)
      #expect(json["after"]?["tags"]?["counting"]?["standard_error"]?.number == 0.5)
      #expect(json["machine"]?["device"] == "cpu")
    }
  }

  @Test func `a summary with a number that is not finite is refused`() throws {
    #expect(throws: RunError.notFinite(path: "s", name: "total_seconds", value: "nan")) {
      try Self.summary(.nan).text(for: "s")
    }
  }

  @Test func `a file that is no summary is refused`() throws {
    try withTemporaryFolder { folder in
      try AtomicFile.write("{\"format\": 1}", to: folder + "/s")
      #expect(throws: RunError.self) { try RunSummary.read(folder + "/s") }
    }
  }

  @Test func `the machine is described`() {
    let machine = Machine(device: "cpu", torch: "2.11.0")
    #expect(machine.cores > 0)
    #expect(machine.memoryBytes > 0)
    #expect(!machine.system.isEmpty)
    #expect(!machine.processor.isEmpty)
  }
}
