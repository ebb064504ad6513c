import Foundations
import ImageFiles
import Rewards
import ShapeScenes
import Testing

/// A detector with fixed answers.
private struct StagedDetector: ObjectDetector {
  var answers: [Detection<[DetectedObject]>]

  func detect(
    _ samples: [RewardSample]
  ) async throws(RewardError) -> [Detection<[DetectedObject]>] { answers }
}

@Suite struct GenEvalRewardTests {
  private let redCar: [String: JSONValue] = [
    "tag": "colors", "include": [["class": "car", "count": 1, "color": "red"]],
  ]

  private func score(
    _ answers: [Detection<[DetectedObject]>], _ metadata: [[String: JSONValue]],
    mode: GenEvalReward.Mode = .partial
  ) async throws -> RewardScores {
    let image = PixelBuffer(width: 1, height: 1)
    return try await GenEvalReward(StagedDetector(answers: answers), mode: mode)
      .score(metadata.map { RewardSample(image: image, prompt: "a red car", metadata: $0) })
  }

  @Test func `the total is the mode's figure and all three are parts`() async throws {
    let cars: Detection = .seen([
      object("car", at: 9, 9, "red"), object("car", at: 80, 9, "blue", confidence: 0.5),
    ])
    for (mode, total) in [(GenEvalReward.Mode.partial, 0.0), (.strict, 0), (.official, 1)] {
      let scores = try await score([cars], [redCar], mode: mode)
      #expect(scores.total == [total])
      #expect(scores[part: "partial"] == [0])
      #expect(scores[part: "strict"] == [0])
      #expect(scores[part: "official"] == [1])
    }
  }

  @Test func `a sample that cannot be scored has a reason, and the others keep their scores`()
    async throws
  {
    let right: Detection = .seen([object("car", at: 9, 9, "red")])
    let scores = try await score(
      [right, .unseen(reason: "timed out"), .seen([object("car")]), right, right],
      [redCar, redCar, redCar, [:], redCar])
    #expect(scores.total == [1, nil, nil, nil, 1])
    #expect(
      scores.reasons == [
        1: "timed out", 2: "the detector named no color",
        3: "the prompt file's line is not GenEval's: tag is missing",
      ])
  }

  @Test func `a color matters only where the prompt names one`() async throws {
    let scores = try await score(
      [.seen([object("car")]), .seen([])],
      [["tag": "single_object", "include": [["class": "car", "count": 1]]], redCar])
    #expect(scores.total == [1, 0])
    #expect(scores.reasons.isEmpty)
  }

  @Test func `the embedded detector distinguishes right from wrong drawings in every tag`()
    async throws
  {
    let prompts: [(right: ScenePrompt, wrong: ScenePrompt, metadata: [String: JSONValue])] = [
      pair("single_object", .init(.ring), .init(.square)),
      pair("counting", .init(.circle, count: 3), .init(.circle, count: 2)),
      pair("colors", .init(.cross, color: .red), .init(.cross, color: .blue)),
      (
        scene([.init(.ring), .init(.circle, position: .init(.leftOf, 0))]),
        scene([.init(.ring), .init(.circle, position: .init(.rightOf, 0))]),
        [
          "tag": "position",
          "include": [
            ["class": "ring", "count": 1],
            ["class": "circle", "count": 1, "position": ["left of", 0]],
          ],
        ]
      ),
    ]
    var generator = SplitMix64(seed: 3)
    var samples: [RewardSample] = []
    for (right, wrong, metadata) in prompts {
      for scene in [right, wrong] {
        samples.append(
          RewardSample(
            image: SceneRenderer.render(scene, using: &generator), prompt: "drawn",
            metadata: metadata))
      }
    }
    let scores = try await GenEvalReward(ShapesDetector()).score(samples)
    #expect(scores[part: "strict"] == [1, 0, 1, 0, 1, 0, 1, 0])
    #expect(scores[part: "official"] == [1, 0, 1, 0, 1, 0, 1, 0])
  }

  private func scene(_ include: [ScenePrompt.Requirement]) -> ScenePrompt {
    ScenePrompt(tag: .singleObject, include: include, prompt: "drawn")
  }

  /// A right drawing, a wrong one, and the metadata of the prompt.
  private func pair(
    _ tag: String, _ right: ScenePrompt.Requirement, _ wrong: ScenePrompt.Requirement
  ) -> (ScenePrompt, ScenePrompt, [String: JSONValue]) {
    var members: [JSONValue.Member] = [
      .init("class", .string(right.shape.rawValue)), .init("count", .int(right.count)),
    ]
    if let color = right.color { members.append(.init("color", .string(color.rawValue))) }
    return (
      scene([right]), scene([wrong]),
      ["tag": .string(tag), "include": .array([.object(members)])]
    )
  }
}
