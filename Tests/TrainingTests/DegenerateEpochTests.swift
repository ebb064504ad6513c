import Foundation
import Rewards
import Runs
import Testing
import Training

/// Runs whose images all have the same reward.
@MainActor
@Suite(.serialized) struct DegenerateEpochTests {
  @Test func `five consecutive epochs without an advantage stop the run, which can be resumed`()
    async throws
  {
    let folder = try tinyTask()
    let constant = Scorer(
      [
        StubReward { samples throws(RewardError) in
          RewardScores(total: samples.map { _ in 0.5 })
        }
      ], weights: [1])
    var messages = ""
    let settings = [("epochs: 4", "epochs: 8\nthreads: 1")]
    let summary = try await train(folder, settings, scorer: constant) { messages += $0 + "\n" }
    #expect(!summary.isFinished && summary.epochs == 5)
    #expect(summary.stoppedBy == "5 consecutive epochs in which no image had an advantage")
    #expect(
      messages.contains("warning: epoch 1: every group's images have the same reward"),
      "\(messages)")
    #expect(messages.contains("--resume goes on"))
    #expect(
      FileManager.default.fileExists(atPath: folder.path + "/run/checkpoints/000005/state.json"))
    let resumed = try await train(folder, settings, resume: true, scorer: constant)
    #expect(resumed.isFinished && resumed.epochs == 8)
  }

  @Test func `one epoch with an advantage resets the count`() async throws {
    let folder = try tinyTask()
    let seen = Counter()
    // 6 evaluation images, then 32 an epoch: the fourth epoch alone has different rewards.
    let reward = StubReward { samples throws(RewardError) in
      let before = seen.add(samples.count)
      let isFourth = before >= 6 + 3 * 32 && before < 6 + 4 * 32
      return RewardScores(total: samples.indices.map { isFourth ? Double($0 * 7 % 5) : 0.5 })
    }
    let summary = try await train(
      folder, [("epochs: 4", "epochs: 8\nthreads: 1\nevaluation: {every: 100}")],
      scorer: Scorer([reward], weights: [1]))
    #expect(summary.isFinished && summary.epochs == 8)
  }
}
