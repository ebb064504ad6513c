import Foundation
import Foundations
import Rewards
import Runs
import TestSupport
import Testing
import Training

/// Training of adapters beside a network in half precision.
@MainActor
@Suite(.serialized) struct HalfPrecisionTests {
  /// Scores by position in the batch, because images differ between precisions.
  private var scorer: Scorer {
    let reward = StubReward { samples throws(RewardError) in
      RewardScores(total: samples.indices.map { Double($0 * 7 % 5) })
    }
    return Scorer([reward], weights: [1])
  }

  private func changes(_ dtype: String) -> [(String, String)] {
    let learning = "trainable: lora\nlora: {rank: 2, targets: [attn.to_q, attn.to_v]}"
    return [
      ("trainable: full", "\(learning)\ndtype: \(dtype)"),
      ("epochs: 4", "epochs: 2\nthreads: 1\nevaluation: {prompts: 2}\ncheckpoints: {every: 1}"),
    ]
  }

  private func lines(
    _ folder: TemporaryFolder, _ changes: [(String, String)], resume: Bool = false
  ) async throws -> [JSONLine] {
    _ = try await train(folder, changes, resume: resume, scorer: scorer)
    return try MetricsLog.read(folder.path + "/run/metrics.jsonl")
      .filter { $0[.kind] == "epoch" }.map { JSONLine($0) }
  }

  /// The values of an epoch's line that the tests compare.
  private struct JSONLine {
    let gradientNorms: [Double]
    let lossScale: Double?
    let ratioDeviation: Double
    let deviations: [Double]

    init(_ line: JSONValue) {
      gradientNorms = (line[.gradNormPerUpdate]?.array ?? []).compactMap(\.number)
      lossScale = line[.lossScale]?.number
      ratioDeviation = line[.ratioMaxDeviation]?.number ?? .nan
      deviations = (line[.logProbDeviationPerStep]?.members ?? [])
        .compactMap(\.value.number)
    }
  }

  @Test(arguments: ["bfloat16", "float16"])
  func `gradients equal float32's within the precision's rounding`(dtype: String) async throws {
    let exact = try await lines(tinyTask(), changes("float32"))
    let found = try await lines(tinyTask(), changes(dtype))
    let (expected, norms) = (exact[0].gradientNorms, found[0].gradientNorms)
    #expect(expected.count == 2 && norms.count == 2)
    // bfloat16 has 8 bits.
    #expect(relativeError(norms, expected) < 0.02, "\(norms), float32 \(expected)")
    #expect(exact.allSatisfy { $0.lossScale == nil })
    #expect(found.allSatisfy { ($0.lossScale != nil) == (dtype == "float16") })
  }

  @Test func `the deviation from the rollout is measured although the ratio is 1`() async throws {
    let line = try await lines(
      tinyTask(), changes("bfloat16") + [("updates_per_epoch: 2", "updates_per_epoch: 1")])[0]
    #expect(line.ratioDeviation == 0)
    #expect(line.deviations.count == 2)
    #expect(line.deviations.allSatisfy { $0 < 3e-2 })
  }

  @Test func `an update whose gradients overflow is computed again with a smaller factor`()
    async throws
  {
    let folder = try tinyTask()
    let undisturbed = try await lines(folder, changes("float16"))
    // The first epoch again, with a factor at which every gradient overflows.
    let other = try tinyTask()
    let short = changes("float16").map { ($0.0, $0.1.replacing("epochs: 2", with: "epochs: 1")) }
    _ = try await lines(other, short)
    let checkpoints = "\(other.path)/run/checkpoints"
    let saved = URL(filePath: "\(other.path)/saved")
    try FileManager.default.copyItem(at: URL(filePath: "\(checkpoints)/000001"), to: saved)
    _ = try CheckpointStore(checkpoints, keep: 2).save(1) { folder in
      for name in try FileManager.default.contentsOfDirectory(atPath: saved.path)
      where name != "manifest.json" {
        var data = try Data(contentsOf: saved.appending(path: name))
        if name == "state.json" {
          let text = String(decoding: data, as: UTF8.self)
          let raised = text.replacing(/"value":\d+/, with: "\"value\":\(1 << 40)")
          #expect(raised != text)
          data = Data(raised.utf8)
        }
        try data.write(to: URL(filePath: "\(folder)/\(name)"))
      }
    }
    let line = try #require(try await lines(other, changes("float16"), resume: true).last)
    let scale = try #require(line.lossScale)
    #expect(scale < 0x1p40 && log2(scale) == log2(scale).rounded(), "\(scale)")
    #expect(relativeError(line.gradientNorms, undisturbed[1].gradientNorms) < 0.02)
  }

  @Test func `the factor is a power of two that halves, doubles after 500 updates and ends at 1`() {
    var scale = LossScale(elements: 65_536, samples: 432)
    #expect(scale.value == 0x1p24)
    for _ in 0..<499 { scale.succeed() }
    #expect(scale.value == 0x1p24)
    scale.succeed()
    #expect(scale.value == 0x1p25)
    for _ in 0..<499 { scale.succeed() }
    #expect(scale.lower() && scale.value == 0x1p21)
    scale.succeed()
    #expect(scale.value == 0x1p21)
    while scale.lower() {}
    #expect(scale.value == 1)
  }
}
