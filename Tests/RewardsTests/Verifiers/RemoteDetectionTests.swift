import ImageFiles
import JSON
import Rewards
import ShapeScenes
import Testing

@Suite struct RemoteDetectionTests {
  private static let server = Result { try FaultyServer() }
  private let server: FaultyServer

  init() throws { server = try Self.server.get() }

  private func remote(_ name: String, _ fault: String = "sees") -> RewardSettings {
    var settings = settings(name, urls: [server.url(fault)])
    settings.backend = "remote"
    settings.batchSize = 2
    return settings
  }

  private func sample(_ metadata: [String: JSONValue], _ prompt: String = "x") -> RewardSample {
    RewardSample(image: PixelBuffer(width: 8, height: 8), prompt: prompt, metadata: metadata)
  }

  @Test func `text that a service reads is scored, and null has no score`() async throws {
    let reward = try RewardRegistry.reward(remote("ocr"))
    let scores = try await reward.score(
      ["Open", "shut", nil].map { text in
        sample(text.map { ["text": .string($0)] } ?? [:], "says \"open\"")
      })
    #expect(scores.total == [1, 0, nil])
    #expect(scores.reasons == [2: "no score given"])
  }

  @Test func `objects that a service finds are judged with their boxes and colors`() async throws {
    let box: JSONValue = [10, 20.5, 90, 60]
    let car: JSONValue = ["label": "car", "confidence": 0.97, "box": box, "color": "red"]
    let objects = try await RemoteDetector(remote("geneval")).detect([
      sample(["objects": [car, ["label": "dog", "confidence": 1, "box": [0, 0, 8, 8]]]]),
      sample(["objects": []]), sample([:]),
    ])
    #expect(
      objects == [
        .seen([
          DetectedObject(
            "car", confidence: 0.97,
            box: SceneBox(centerX: 50, centerY: 40.25, halfWidth: 40, halfHeight: 19.75),
            color: "red"),
          DetectedObject(
            "dog", confidence: 1,
            box: SceneBox(centerX: 4, centerY: 4, halfWidth: 4, halfHeight: 4)),
        ]), .seen([]), .unseen(reason: "no score given"),
      ])
    let metadata: [String: JSONValue] = [
      "tag": "colors", "include": [["class": "car", "count": 1, "color": "red"]],
      "objects": [car],
    ]
    let scores = try await RewardRegistry.reward(remote("geneval")).score([sample(metadata)])
    #expect(scores.total == [1])
  }

  @Test func `a detection that is not finite leaves its own image unseen`() async throws {
    let seen = try await RemoteDetector(remote("geneval", "infinite_boxes"))
      .detect([sample([:]), sample([:])])
    #expect(seen == [.unseen(reason: "not a finite number"), .seen([])])
  }

  @Test(arguments: [
    ["label": "car", "confidence": 2, "box": [0, 0, 1, 1]],
    ["label": "car", "confidence": 0.5, "box": [0, 0, 1]],
    ["label": "car", "confidence": 0.5, "box": [5, 0, 1, 1]],
    ["label": "", "confidence": 0.5, "box": [0, 0, 1, 1]],
    ["label": "car", "box": [0, 0, 1, 1]],
    ["label": "car", "confidence": 0.5, "box": [0, 0, 1, 1], "color": 3], "car",
  ] as [JSONValue])
  func `an object that breaks the protocol is a bad answer, not an absent object`(
    _ object: JSONValue
  ) async throws {
    let seen = try await RemoteDetector(remote("geneval")).detect([sample(["objects": [object]])])
    #expect(seen == [.unseen(reason: "bad answer")])
  }

  @Test func `a service that answers something else or fails leaves its images unseen`()
    async throws
  {
    let number = try await RemoteReader(remote("ocr")).read([sample(["text": 3])])
    #expect(number == [.unseen(reason: "bad answer")])
    let scores = try await RemoteReader(remote("ocr", "good")).read([sample([:])])
    #expect(scores == [.unseen(reason: "bad answer")])
    let broken = try await RemoteReader(remote("ocr", "broken")).read([sample([:])])
    #expect(broken == [.unseen(reason: "server error")])
  }
}
