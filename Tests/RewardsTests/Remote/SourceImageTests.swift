import Foundation
import Foundations
import ImageFiles
import Rewards
import TestSupport
import Testing

/// Condition images in requests of the scoring protocol.
@Suite struct SourceImageTests {
  private static let server = Result { try ScriptedServer() }
  private let server: ScriptedServer

  init() throws { server = try Self.server.get() }

  private func picture(_ width: Int) -> PixelBuffer {
    PixelBuffer(width: width, height: 2, red: UInt8(width), green: 7, blue: 9)
  }

  /// The PNG of a picture as base64.
  private func text(_ width: Int) throws -> String {
    Data(try PNG.encode(picture(width))).base64EncodedString()
  }

  /// Two samples that share their source, one with two sources in another order, one without.
  private var mixed: [RewardSample] {
    [([3], "a"), ([3], "bb"), ([4, 3], "ccc"), ([], "dddd")].map { sources, prompt in
      RewardSample(
        image: picture(8), sources: sources.map(picture), prompt: prompt,
        metadata: ["x": .int(prompt.count)])
    }
  }

  private func withoutIdentifier(_ body: String) -> String {
    body.replacing(/"id":"[0-9A-F-]{36}"/, with: "\"id\":\"I\"")
  }

  @Test func `a request without sources is byte for byte what it was`() async throws {
    let factory = HTTPFactory(service("http", urls: [server.url("without")]))
    #expect(try await HTTPReward(factory).score(samples(2)).total == [1, 2])
    let images = try samples(2).map { Data(try PNG.encode($0.image)).base64EncodedString() }
    #expect(
      try await server.bodies("without").map(withoutIdentifier) == [
        #"{"protocol":1,"id":"I","samples":["#
          + #"{"prompt":"a","png":"\#(images[0])","metadata":{"x":1}},"#
          + #"{"prompt":"aa","png":"\#(images[1])","metadata":{"x":2}}]}"#
      ])
  }

  @Test func `sources stand beside the image, in order, and an old server ignores them`()
    async throws
  {
    let factory = HTTPFactory(service("http", urls: [server.url("with")]))
    #expect(try await HTTPReward(factory).score(mixed).total == [1, 2, 3, 4])
    let (image, three, four) = (try text(8), try text(3), try text(4))
    #expect(
      try await server.bodies("with").map(withoutIdentifier) == [
        #"{"protocol":1,"id":"I","samples":["#
          + #"{"prompt":"a","png":"\#(image)","sources":[{"png":"\#(three)"}],"#
          + #""metadata":{"x":1}},"#
          + #"{"prompt":"bb","png":"\#(image)","sources":[{"png":"\#(three)"}],"#
          + #""metadata":{"x":2}},"#
          + #"{"prompt":"ccc","png":"\#(image)","#
          + #""sources":[{"png":"\#(four)"},{"png":"\#(three)"}],"metadata":{"x":3}},"#
          + #"{"prompt":"dddd","png":"\#(image)","metadata":{"x":4}}]}"#
      ])
  }

  /// A child that reads `path` or `png` alone and keeps the requests; and the requests.
  private func child(
    _ images: ImageTransport, batchSize: Int, _ samples: [RewardSample]
  ) async throws -> (scores: RewardScores, requests: [JSONValue]) {
    let memory = NSTemporaryDirectory() + "tempflow-child-\(UUID().uuidString)"
    var settings = ProcessFactory()
    settings.retry = shortRetry
    settings.command = ["python3", fixture("rewards/child.py"), "keeps", memory]
    settings.batchSize = batchSize
    settings.retry.outageTimeout = 30
    settings.imageTransport = images
    let scores = try await ProcessReward(settings).score(samples)
    let lines = try String(contentsOfFile: "\(memory).requests", encoding: .utf8)
    return (
      scores,
      try lines.split(separator: "\n").map { try JSONParser.parse(Array($0.utf8)[...]) }
    )
  }

  @Test(arguments: ImageTransport.allCases)
  func `an old program gets its images as before`(images: ImageTransport) async throws {
    let (scores, requests) = try await child(images, batchSize: 2, mixed)
    #expect(scores.total == [1, 2, 3, 4])
    #expect(scores[part: "inline"] == Array(repeating: images == .inline ? 1 : 0, count: 4))
    #expect(requests.count == 2)
  }

  @Test func `a source that several samples share is one file, which is removed after the answer`()
    async throws
  {
    let (_, requests) = try await child(.paths, batchSize: 4, mixed)
    let samples = try #require(requests.first?["samples"]?.array)
    let sources = samples.map { ($0["sources"]?.array ?? []).compactMap { $0["path"]?.string } }
    #expect(sources.map(\.count) == [1, 1, 2, 0])
    #expect(sources[0] == sources[1] && sources[2][1] == sources[0][0])
    #expect(samples[3]["sources"] == nil)
    let paths = samples.compactMap { $0["path"]?.string } + sources.flatMap { $0 }
    #expect(Set(paths).count == 4 + 2)
    #expect(paths.allSatisfy { !FileManager.default.fileExists(atPath: $0) })
  }
}
