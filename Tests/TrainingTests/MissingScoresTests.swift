import Foundation
import Foundations
import Rewards
import Runs
import Testing
import Training

/// Runs whose reward fails after some images.
@MainActor
@Suite(.serialized) struct MissingScoresTests {
  /// Number of images of the first evaluation and of each epoch.
  private let evaluation = 6
  private let epoch = 4 * 2 * 4

  private func settings(_ further: String = "") -> [(String, String)] {
    [("epochs: 4", "epochs: 3\nthreads: 1\n\(further)")]
  }

  private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(filePath: path)) }

  @Test(arguments: [FailingReward.Failure.noScores, .error])
  func `a reward that fails stops the run, and the resumed run equals one without a failure`(
    _ failure: FailingReward.Failure
  ) async throws {
    let folder = try tinyTask()
    let sound = FailingReward(failure, after: .max)
    _ = try await train(folder, settings(), run: "whole", scorer: Scorer([sound], weights: [1]))
    let failing = FailingReward(failure, after: evaluation + epoch)
    let error = await #expect(throws: TrainingError.self) {
      _ = try await train(
        folder, settings(), run: "cut", scorer: Scorer([failing], weights: [1]))
    }
    let text = try #require(error?.description)
    let run = folder.path + "/cut"
    switch failure {
    case .noScores:
      #expect(text.contains("16 of 32 scores of stub are missing (timed out: 16)"), "\(text)")
      #expect(text.contains("max_missing_scores allows 0.1"))
    case .error: #expect(text.contains("the reward stub failed: no connection"), "\(text)")
    }
    #expect(text.contains("--resume") && text.contains("\(run)/checkpoints/000001"), "\(text)")
    let summary = try RunSummary.read(run + "/summary.json")
    #expect(!summary.isFinished && summary.epochs == 1 && summary.stoppedBy != nil)
    #expect(try MetricsLog.read(run + "/metrics.jsonl").count == 2, "nothing of the failed epoch")
    _ = try await train(
      folder, settings("max_missing_scores: 0.5"), run: "cut", resume: true,
      scorer: Scorer([sound], weights: [1]))
    for file in ["metrics.jsonl", "model/transformer/diffusion_pytorch_model.safetensors"] {
      #expect(try bytes("\(run)/\(file)") == bytes("\(folder.path)/whole/\(file)"), "\(file)")
    }
  }

  @Test(arguments: [nil, 0.5])
  func `figures without a value are null`(_ score: Double?) async throws {
    let folder = try tinyTask()
    let stub = StubReward { samples throws(RewardError) in
      RewardScores(total: samples.map { _ in score })
    }
    var messages = ""
    let summary = try await train(
      folder, [("epochs: 4", "epochs: 1\nthreads: 1\nmax_missing_scores: 1")],
      scorer: Scorer([stub], weights: [1])
    ) { messages += $0 }
    #expect(summary.before.overall.mean == score)
    #expect(summary.before.overall.count == (score == nil ? 0 : 6))
    let text = score == nil ? "-" : "0.500 ± 0.000"
    #expect(messages.contains("epoch 1: stub \(text) on"), "\(messages)")
    let lines = try MetricsLog.read(folder.path + "/run/metrics.jsonl")
    #expect(lines[0][.mean] == score.map(JSONValue.double) ?? .null)
    #expect(lines[1][.rewardMean] == score.map(JSONValue.double) ?? .null)
    // Without an advantage no sample is evaluated: there is no ratio and no KL divergence.
    for name in [MetricName.kl, .clipFraction, .ratioMaxDeviation] {
      #expect(lines[1][name] == .null, "\(name)")
    }
    #expect(lines[1][.policyLoss] == 0.0)
    let read = try RunSummary.read(folder.path + "/run/summary.json")
    #expect(read == summary)
  }

  @Test func `an evaluation that cannot be scored stops the run, and the resumed run repeats it`()
    async throws
  {
    let folder = try tinyTask()
    let settings = settings("evaluation: {every: 1}")
    let sound = Scorer([FailingReward(.error, after: .max)], weights: [1])
    _ = try await train(folder, settings, run: "whole", scorer: sound)
    for healthy in [0, evaluation + epoch] {
      let run = "cut-\(healthy)"
      let failing = FailingReward(.error, after: healthy)
      await #expect(throws: TrainingError.self) {
        _ = try await train(folder, settings, run: run, scorer: Scorer([failing], weights: [1]))
      }
      _ = try await train(folder, settings, run: run, resume: true, scorer: sound)
      #expect(
        try bytes("\(folder.path)/\(run)/metrics.jsonl")
          == bytes("\(folder.path)/whole/metrics.jsonl"))
    }
  }

  @Test func `a few missing scores are left out, counted and shown`() async throws {
    let folder = try tinyTask()
    let rare = StubReward { samples in
      var scores = RewardScores(total: samples.map { brightness($0.image) })
      if samples.count > 6 {
        scores.total[3] = nil
        scores.reasons[3] = "refused"
      }
      return scores
    }
    var lines: [String] = []
    _ = try await train(
      folder, settings(), scorer: Scorer([rare], weights: [1]), write: { lines.append($0) })
    let epoch = try MetricsLog.read(folder.path + "/run/metrics.jsonl")[1]
    #expect(epoch[.rewardMissing]?.int == 1)
    #expect(epoch[.rewardMissingReasons]?["stub"]?["refused"]?.int == 1)
    #expect(lines.contains { $0.contains("scores missing: stub 1 (refused: 1)") })
    #expect(lines.contains { $0.contains("missing 1") && $0.contains("training") })
  }
}
