import DiffusionModels
import Foundation
import ImageFiles
import Rewards
import TestSupport
import Testing
import Torch

@Suite struct VisionRewardTests {
  /// Written by `Tools/fixtures/vision_rewards.py`.
  private struct Cases: Decodable {
    struct Sample: Decodable {
      let image: String
      let prompt: String
      let score: Double
    }
    let samples: [Sample]
    let message: String?
    /// Width, height, columns and rows of an image.
    let sizes: [[Int]]?
  }

  private static let names = ["imagereward", "hpsv3"]

  private static func cases(_ name: String) throws -> Cases {
    let path = fixture("rewards/\(name)/cases.json")
    return try JSONDecoder().decode(Cases.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
  }

  private static func settings(_ name: String) -> NetworkSettings {
    NetworkSettings(label: name, model: fixture("rewards/\(name)"), batchSize: 3)
  }

  private static func samples(_ cases: Cases) throws -> [RewardSample] {
    try cases.samples.map {
      RewardSample(
        image: try PNG.read(fixture("rewards/pictures/\($0.image)")), prompt: $0.prompt)
    }
  }

  @Test(arguments: names)
  func `scores from PNG and prompt equal those of the published steps`(name: String) async throws {
    let cases = try Self.cases(name)
    let scores = try await networkReward(name, Self.settings(name)).score(try Self.samples(cases))
    let found = try scores.total.map { try #require($0) }
    #expect(relativeError(found, cases.samples.map(\.score)) < 1e-4)
    for (score, sample) in zip(found, cases.samples) {
      #expect(abs(score - sample.score) < 1e-4 * abs(sample.score), "\(sample.prompt)")
    }
  }

  @Test(arguments: names)
  func `scores do not depend on what else is in the batch`(name: String) async throws {
    let samples = try Self.samples(try Self.cases(name))
    var settings = Self.settings(name)
    let together = try await networkReward(name, settings).score(samples + samples.reversed())
    settings.batchSize = 1
    let alone = try await networkReward(name, settings).score(samples)
    let expected = (alone.total + alone.total.reversed()).map { $0 ?? .nan }
    #expect(relativeError(together.total.map { $0 ?? .nan }, expected) < 1e-5)
    #expect(try await networkReward(name, settings).score([]).total.isEmpty)
  }

  @Test(arguments: names)
  func `bfloat16 scores are close`(name: String) async throws {
    let cases = try Self.cases(name)
    var settings = Self.settings(name)
    settings.precision = .bfloat16
    let scores = try await networkReward(name, settings).score(try Self.samples(cases))
    let expected = cases.samples.map(\.score)
    let found = scores.total.map { $0 ?? .nan }
    // 8 bits, over a few layers.
    #expect(relativeError(found, expected) < 5e-2)
    #expect(found != expected)
  }

  @Test func `the message is the package's`() throws {
    let cases = try Self.cases("hpsv3")
    #expect(HPSv3Prompt.text("{prompt}", imageTokens: 1) == cases.message)
  }

  @Test func `images are resized to the package's sizes`() throws {
    let sizes = try #require(try Self.cases("hpsv3").sizes)
    #expect(sizes.count > 50)
    let images = Qwen2VLImage(configuration: Qwen2VLVisionConfiguration())
    for given in sizes {
      let size = images.size(width: given[0], height: given[1], pixels: 256 * 28 * 28)
      #expect(size.map { [$0.columns, $0.rows] } == Array(given[2...]), "\(given)")
    }
    #expect(images.size(width: 1, height: 201, pixels: 256 * 28 * 28) == nil)
  }

  @Test func `a sample that HPSv3 cannot score has a reason`() async throws {
    let reward = try networkReward("hpsv3", Self.settings("hpsv3"))
    let image = PixelBuffer(width: 30, height: 30, red: 90)
    let scores = try await reward.score([
      RewardSample(image: image, prompt: "a <|Reward|>"),
      RewardSample(image: PixelBuffer(width: 2, height: 402), prompt: "thin"),
      RewardSample(image: image, prompt: "fine"),
    ])
    #expect(scores.total.map { $0 == nil } == [true, true, false])
    #expect(
      scores.reasons == [0: "prompt holds a special token", 1: "image too narrow"])
  }

  @Test(arguments: names)
  func `an incomplete folder says what is missing and where it is published`(name: String) throws {
    let repository = name == "hpsv3" ? "MizzenAI/HPSv3" : "THUDM/ImageReward"
    func check(_ settings: NetworkSettings, _ part: String) throws {
      let error = #expect(throws: RewardError.self) { _ = try networkReward(name, settings) }
      let text = error?.description ?? ""
      #expect(text.contains(part) && text.contains(repository), "\(text)")
    }
    var settings = Self.settings(name)
    settings.model = "/no/such/folder"
    try check(settings, "/no/such/folder is no folder")
    let files = try FileManager.default.contentsOfDirectory(atPath: fixture("rewards/\(name)"))
    for missing in files where missing != "cases.json" {
      try withTemporaryFolder { folder in
        for file in files where file != missing {
          try FileManager.default.copyItem(
            atPath: fixture("rewards/\(name)/\(file)"), toPath: "\(folder)/\(file)")
        }
        settings.model = folder
        let stem = missing.split(separator: ".")[0]
        try check(settings, stem == "HPSv3" ? "model.safetensors" : String(stem))
      }
    }
  }

  @Test(arguments: [
    ("imagereward", "mlp.layers.7.bias"), ("hpsv3", "rm_head.5.bias"),
    ("hpsv3", "visual.merger.ln_q.weight"),
  ])
  func `a missing weight is named`(name: String, key: String) throws {
    let folder = fixture("rewards/\(name)")
    try withTemporaryFolder { copy in
      for file in try FileManager.default.contentsOfDirectory(atPath: folder) {
        guard file.hasSuffix(".safetensors") else {
          try FileManager.default.copyItem(atPath: "\(folder)/\(file)", toPath: "\(copy)/\(file)")
          continue
        }
        var tensors = try WeightsFile(path: "\(folder)/\(file)").tensors
        #expect(tensors.removeValue(forKey: key) != nil)
        try Safetensors.write(tensors.map { ($0.key, $0.value) }, to: "\(copy)/\(file)")
      }
      var settings = Self.settings(name)
      settings.model = copy
      let error = #expect(throws: RewardError.self) { _ = try networkReward(name, settings) }
      #expect(error?.description.contains(key) == true, "\(String(describing: error))")
    }
  }
}
