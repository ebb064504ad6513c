import Foundations
import ImageFiles
import Rewards
import Testing

@Suite struct RemoteDetectionTests {
  private static let server = Result { try FaultyServer() }
  private let server: FaultyServer

  init() throws { server = try Self.server.get() }

  private func reader(_ fault: String = "sees") throws -> RemoteReader {
    try RemoteReader(service("ocr", urls: [server.url(fault)]), batchSize: 2)
  }

  private func detector(_ fault: String = "sees") throws -> RemoteDetector {
    try RemoteDetector(service("geneval", urls: [server.url(fault)]), batchSize: 2)
  }

  private func sample(_ metadata: [String: JSONValue], _ prompt: String = "x") -> RewardSample {
    RewardSample(image: PixelBuffer(width: 8, height: 8), prompt: prompt, metadata: metadata)
  }

  @Test func `text from a service is scored, and null has no score`() async throws {
    var ocr = OCRFactory(service("ocr", urls: [server.url("sees")]))
    ocr.backend = .remote
    ocr.batchSize = 2
    let reward = try ocr.makeReward()
    let scores = try await reward.score(
      ["Open", "shut", nil].map { text in
        sample(text.map { ["text": .string($0)] } ?? [:], "says \"open\"")
      })
    #expect(scores.total == [1, 0, nil])
    #expect(scores.reasons == [2: "no score given"])
  }

  @Test func `objects from a service are judged with their boxes and colors`() async throws {
    let box: JSONValue = [10, 20.5, 90, 60]
    let car: JSONValue = ["label": "car", "confidence": 0.97, "box": box, "color": "red"]
    let objects = try await detector().detect([
      sample(["objects": [car, ["label": "dog", "confidence": 1, "box": [0, 0, 8, 8]]]]),
      sample(["objects": []]), sample([:]),
    ])
    #expect(
      objects == [
        .seen([
          DetectedObject(
            "car", confidence: 0.97,
            box: BoundingBox(centerX: 50, centerY: 40.25, halfWidth: 40, halfHeight: 19.75),
            color: "red"),
          DetectedObject(
            "dog", confidence: 1,
            box: BoundingBox(centerX: 4, centerY: 4, halfWidth: 4, halfHeight: 4)),
        ]), .seen([]), .unseen(reason: "no score given"),
      ])
    let metadata: [String: JSONValue] = [
      "tag": "colors", "include": [["class": "car", "count": 1, "color": "red"]],
      "objects": [car],
    ]
    var geneval = GenEvalFactory(service("geneval", urls: [server.url("sees")]))
    geneval.backend = .remote
    let scores = try await geneval.makeReward().score([sample(metadata)])
    #expect(scores.total == [1])
  }

  @Test func `a detection that is not finite leaves its own image unseen`() async throws {
    let seen = try await detector("infinite_boxes")
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
  func `an object that breaks the protocol is a bad answer`(
    _ object: JSONValue
  ) async throws {
    let seen = try await detector().detect([sample(["objects": [object]])])
    #expect(seen == [.unseen(reason: "bad answer")])
  }

  @Test func `images are unseen when a service fails or answers something else`()
    async throws
  {
    let number = try await reader().read([sample(["text": 3])])
    #expect(number == [.unseen(reason: "bad answer")])
    let scores = try await reader("good").read([sample([:])])
    #expect(scores == [.unseen(reason: "bad answer")])
    let broken = try await reader("broken").read([sample([:])])
    #expect(broken == [.unseen(reason: "server error")])
  }
}
