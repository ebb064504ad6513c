import Foundation
import JSON
import Rewards
import Runs
import TestSupport
import Testing
import Training

/// Evaluations every ten epochs with these means.
private func evaluations(
  trained: [Double?], watched: [Double?]
) -> [RunSummary.Evaluation] {
  zip(trained, watched).enumerated().map { index, means in
    RunSummary.Evaluation(
      epoch: 10 * index, trainingSeconds: 0, scores: TaggedScores([]), trainingReward: means.0,
      heldOutRewards: means.1.map { ["w": Score([$0])] })
  }
}

@Suite struct HeldOutAlarmTests {
  private func alarm(
    _ trained: [Double?], _ watched: [Double?], count: Int = 2
  ) -> HeldOutAlarm? {
    HeldOutAlarm(
      evaluations(trained: trained, watched: watched), name: "w", threshold: 0.1, count: count)
  }

  @Test func `an alarm needs the fall and the rise at several evaluations on end`() {
    let trained: [Double?] = [0, 1, 2, 3]
    #expect(alarm(trained, [0.5, 0.6, 0.45, 0.44]) != nil)
    #expect(alarm(trained, [0.5, 0.6, 0.55, 0.44]) == nil, "once")
    #expect(alarm(trained, [0.5, 0.6, 0.55, 0.44], count: 1) != nil)
    #expect(alarm(trained, [0.5, 0.6, 0.51, 0.51]) == nil, "within the threshold")
    #expect(alarm([0, 3, 2, 1], [0.5, 0.6, 0.4, 0.4]) == nil, "the trained reward fell, too")
    #expect(alarm([1, 2], [0.5, 0.1]) == nil, "too few evaluations")
    #expect(alarm([], []) == nil)
  }

  @Test func `the watched reward is compared with where it stood highest`() {
    let found = alarm([0, 1, 2, 3], [0.2, 0.8, 0.6, 0.5])
    #expect(found?.peak.epoch == 10 && found?.peak.watched == 0.8 && found?.peak.trained == 1)
    #expect(found?.now.epoch == 30 && found?.now.watched == 0.5 && found?.now.trained == 3)
  }

  @Test func `an evaluation without scores is passed over`() {
    #expect(alarm([0, 1, nil, 3, 4], [0.8, 0.6, 0.1, nil, 0.5]) != nil)
    #expect(alarm([0, 1, 2, 3], [nil, nil, nil, nil]) == nil)
  }
}

@Suite struct WatchRecipeTests {
  private func watch(_ text: String) throws -> [HeldOutReward] {
    try readRecipe(recipeText() + "held_out_rewards: \(text)\n").settings.heldOutRewards
  }

  @Test func `an entry is a reward with a threshold`() throws {
    #expect(try readRecipe(recipeText()).settings.heldOutRewards.isEmpty)
    let watch = try watch(
      "[{name: shapes, mode: strict, threshold: 0.05}, {name: jpeg_compressibility, "
        + "label: size, threshold: 0, patience: 3, action: stop}]")
    #expect(watch.map(\.reward.label) == ["shapes", "size"])
    #expect(watch[0].reward.mode == "strict" && watch[0].threshold == 0.05)
    #expect(watch[0].patience == 2 && watch[0].action == .warn)
    #expect(watch[1].patience == 3 && watch[1].action == .stop)
  }

  @Test(arguments: [
    ("[{name: shapes}]", "held_out_rewards.0.threshold: is required"),
    ("[{name: shapes, threshold: -1}]", "held_out_rewards.0.threshold"),
    ("[{name: shapes, threshold: 1, patience: 0}]", "held_out_rewards.0.patience"),
    ("[{name: shapes, threshold: 1, action: shout}]", "held_out_rewards.0.action"),
    ("[{name: shapes, threshold: 1, weight: 2}]", "\"weight\""),
    ("[{name: beauty, threshold: 1}]", "no reward is named"),
    ("[{name: shapes, threshold: 1}, {name: shapes, threshold: 2}]", "are called shapes"),
  ])
  func `what is wrong is said`(_ text: String, _ message: String) {
    let error = #expect(throws: RecipeError.self) { try watch(text) }
    #expect("\(error?.issues ?? [])".contains(message), "\(error?.issues ?? [])")
  }

  @Test func `the share of missing scores is a share`() throws {
    #expect(try readRecipe(recipeText()).settings.maxMissingScores == 0.1)
    #expect(try readRecipe(recipeText() + "max_missing_scores: 0\n").settings.maxMissingScores == 0)
    #expect(throws: RecipeError.self) { try readRecipe(recipeText() + "max_missing_scores: 1.5\n") }
  }
}

/// A reward that is gamed: small files are most easily drawn by drawing nothing.
@MainActor
@Suite(.serialized, .cpuKernels) struct WatchedRunTests {
  private func settings(_ folder: TemporaryFolder, action: String) -> [(String, String)] {
    let root = repositoryFolder()
    return [
      ("model: model", "model: \(root)/Models/shapes"),
      (
        "{train: train.jsonl, evaluation: held-out.jsonl, per_epoch: 4}",
        "{train: \(root)/Prompts/shapes/train.jsonl, "
          + "evaluation: \(root)/Prompts/shapes/held-out.jsonl, per_epoch: 4}"
      ),
      ("[{name: shapes}]", "[{name: jpeg_compressibility}]"),
      ("learning_rate: 1e-3", "learning_rate: 1e-3, micro_batch: 16"),
      (
        "epochs: 4",
        """
        epochs: 6
        threads: 1
        seed: 3
        evaluation: {every: 1, prompts: 16}
        ema: {decay: 0}
        held_out_rewards: [{name: shapes, threshold: 0.05, action: \(action)}]
        """
      ),
    ]
  }

  @Test func `a reward that falls while the trained one rises stops the run or is warned of`()
    async throws
  {
    let folder = try TemporaryFolder()
    let stopped = try await train(folder, settings(folder, action: "stop"), run: "stop")
    #expect(!stopped.isFinished && stopped.epochs < 6)
    #expect(stopped.stoppedBy?.contains("the watched reward shapes has fallen from") == true)
    let evaluations = stopped.evaluations
    #expect(evaluations.allSatisfy { $0.heldOutRewards?["shapes"]?.count == 16 })
    #expect((evaluations.last?.trainingReward ?? 0) > (evaluations[0].trainingReward ?? 0))
    // Going on as it was stops again at the next evaluation; told to warn alone it ends.
    var said: [String] = []
    let whole = try await train(
      folder, settings(folder, action: "warn"), run: "stop", resume: true,
      write: { said.append($0) })
    #expect(whole.isFinished && whole.epochs == 6)
    #expect(said.contains { $0.contains("warning: the watched reward shapes has fallen") })
    let lines = try MetricsLog.read(folder.path + "/stop/metrics.jsonl")
      .filter { $0[.kind] == "evaluation" }
    #expect(lines.map { $0[.epoch]?.int } == [0, 1, 2, 3, 4, 5, 6])
    #expect(
      lines[0][.heldOutRewards]?["shapes"]?[.mean]?.number == whole.evaluations[0].heldOutRewards?["shapes"]?.mean)
    #expect(lines[0][.heldOutAlarms]?.array?.isEmpty == true)
    #expect(lines[stopped.epochs][.heldOutAlarms]?.array == ["shapes"])
    #expect(lines[0]["reward_mean.jpeg_compressibility"] == lines[0][.trainingRewardMean])
  }
}
