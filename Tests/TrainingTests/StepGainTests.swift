import Foundation
import Foundations
import Rewards
import Runs
import Testing
import Training

/// Runs whose advantages are gains over the trunk's own image.
@MainActor
@Suite(.serialized) struct StepGainTests {
  /// 4 trunks of one branch at each of 2 steps, and the trunks' own images.
  private let images = 4 * (2 * 1 + 1)

  private func settings(_ epochs: Int) -> [(String, String)] {
    [
      ("branches: 4", "branches: 1"),
      (
        "epochs: 4",
        "epochs: \(epochs)\nthreads: 1\nadvantage: {baseline: trunk}\nevaluation: {every: 100}"
      ),
    ]
  }

  private func scorer(failingAfter images: Int = .max) -> Scorer {
    Scorer([FailingReward(.error, after: images)], weights: [1])
  }

  @Test func `one branch is trained against its trunk, and a resumed run equals a whole one`()
    async throws
  {
    let folder = try tinyTask()
    _ = try await train(folder, settings(3), run: "whole", scorer: scorer())
    let lines = try MetricsLog.read(folder.path + "/whole/metrics.jsonl")
      .filter { $0[.kind] == "epoch" }
    for line in lines {
      #expect(line[.images]?.int == images)
      // 2 steps of the trunk and one more to its image; branches take 2 and 1 after theirs.
      #expect(line[.nfe]?.int == 4 * (3 + 2 + 1))
      #expect(line[.trunkRewardMean]?.number != nil)
      #expect(try #require(line[.advantageAbsMean]?.number) > 0)
      // As many branches left at each step, and the trunks' images are not among them.
      let steps = try #require(line[.rewardMeanPerStep]?.members).compactMap(\.value.number)
      #expect(steps.count == 2)
      #expect(
        abs(steps.reduce(0, +) / 2 - (try #require(line[.rewardMean]?.number))) < 1e-12)
    }
    // The evaluation before training has 6 images.
    let failing = scorer(failingAfter: 6 + images)
    await #expect(throws: TrainingError.self) {
      _ = try await train(folder, settings(3), run: "cut", scorer: failing)
    }
    _ = try await train(folder, settings(3), run: "cut", resume: true, scorer: scorer())
    for file in [
      "metrics.jsonl", "model/transformer/diffusion_pytorch_model.safetensors", "tree/tree.json",
    ] {
      #expect(
        try Data(contentsOf: URL(filePath: "\(folder.path)/cut/\(file)"))
          == Data(contentsOf: URL(filePath: "\(folder.path)/whole/\(file)")), "\(file)")
    }
    try checkTree(folder.path + "/whole/tree/tree.json")
  }

  /// Advantages have the sign of the gain.
  private func checkTree(_ path: String) throws {
    let tree = try JSONDecoder().decode(
      BranchTree.self, from: Data(contentsOf: URL(filePath: path)))
    let trunk = try #require(tree.trunkReward)
    #expect(tree.branches.count == 2)
    for branch in tree.branches {
      let (reward, advantage) = try (#require(branch.reward), #require(branch.advantage))
      #expect(reward != trunk && (advantage > 0) == (reward > trunk))
    }
  }

  @Test func `images that have their trunk's reward are named as the cause of an idle epoch`()
    async throws
  {
    let folder = try tinyTask()
    let constant = StubReward { samples throws(RewardError) in
      RewardScores(total: samples.map { _ in 0.5 })
    }
    var messages = ""
    _ = try await train(folder, settings(1), scorer: Scorer([constant], weights: [1])) {
      messages += $0
    }
    #expect(messages.contains("every image has its trunk's reward"), "\(messages)")
  }

  @Test func `a missing score of a trunk is counted, and its branches have no advantage`()
    async throws
  {
    let folder = try tinyTask()
    let none = StubReward { samples throws(RewardError) in
      RewardScores(total: samples.map { _ in nil })
    }
    var changes = settings(1)
    changes[1].1 += "\nmax_missing_scores: 1"
    _ = try await train(folder, changes, scorer: Scorer([none], weights: [1]))
    let line = try MetricsLog.read(folder.path + "/run/metrics.jsonl")[1]
    #expect(line[.rewardMissing]?.int == images)
    #expect(line[.trunkRewardMean] == .null)
    #expect(line[.fracRewardZeroStd] == 1.0)
  }
}
