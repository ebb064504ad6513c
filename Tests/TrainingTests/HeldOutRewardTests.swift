import Foundation
import Foundations
import Recipes
import Rewards
import Runs
import TestSupport
import Testing
import Training

/// Evaluations every ten epochs with these means.
private func evaluations(
  trained: [Double?], heldOut: [Double?]
) -> [RunSummary.Evaluation] {
  zip(trained, heldOut).enumerated().map { index, means in
    RunSummary.Evaluation(
      epoch: 10 * index, trainingSeconds: 0, scores: TaggedScores([]), trainingReward: means.0,
      heldOutRewards: means.1.map { ["w": Score([$0])] })
  }
}

@Suite struct HeldOutAlarmTests {
  private func alarm(
    _ trained: [Double?], _ heldOut: [Double?], patience: Int = 2
  ) -> HeldOutAlarm? {
    HeldOutAlarm(
      evaluations(trained: trained, heldOut: heldOut), name: "w", threshold: 0.1,
      patience: patience)
  }

  @Test func `an alarm needs the drop and the rise at several consecutive evaluations`() {
    let trained: [Double?] = [0, 1, 2, 3]
    #expect(alarm(trained, [0.5, 0.6, 0.45, 0.44]) != nil)
    #expect(alarm(trained, [0.5, 0.6, 0.55, 0.44]) == nil, "once")
    #expect(alarm(trained, [0.5, 0.6, 0.55, 0.44], patience: 1) != nil)
    #expect(alarm(trained, [0.5, 0.6, 0.51, 0.51]) == nil, "within the threshold")
    #expect(alarm([0, 3, 2, 1], [0.5, 0.6, 0.4, 0.4]) == nil, "the trained reward fell, too")
    #expect(alarm([1, 2], [0.5, 0.1]) == nil, "too few evaluations")
    #expect(alarm([], []) == nil)
  }

  @Test func `the held-out reward is compared with its highest value`() {
    let found = alarm([0, 1, 2, 3], [0.2, 0.8, 0.6, 0.5])
    #expect(found?.peak.epoch == 10 && found?.peak.heldOut == 0.8 && found?.peak.trained == 1)
    #expect(found?.now.epoch == 30 && found?.now.heldOut == 0.5 && found?.now.trained == 3)
  }

  @Test func `an evaluation without scores is left out`() {
    #expect(alarm([0, 1, nil, 3, 4], [0.8, 0.6, 0.1, nil, 0.5]) != nil)
    #expect(alarm([0, 1, 2, 3], [nil, nil, nil, nil]) == nil)
  }
}

@Suite struct HeldOutRewardRecipeTests {
  private func entries(_ text: String) throws -> [HeldOutReward] {
    try readRecipe(recipeText() + "held_out_rewards: \(text)\n").settings.heldOutRewards
  }

  @Test func `an entry is a reward with a threshold`() throws {
    #expect(try readRecipe(recipeText()).settings.heldOutRewards.isEmpty)
    let entries = try entries(
      "[{name: shapes, mode: strict, threshold: 0.05}, {name: jpeg_compressibility, "
        + "label: size, threshold: 0, patience: 3, action: stop}]")
    #expect(entries.map(\.reward.label) == ["shapes", "size"])
    #expect((entries[0].reward.factory as? ShapesFactory)?.mode == .strict)
    #expect(entries[0].threshold == 0.05)
    #expect(entries[0].patience == 2 && entries[0].action == .warn)
    #expect(entries[1].patience == 3 && entries[1].action == .stop)
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
  func `an error names the key`(_ text: String, _ message: String) {
    let error = #expect(throws: RecipeError.self) { try entries(text) }
    #expect("\(error?.issues ?? [])".contains(message), "\(error?.issues ?? [])")
  }

  @Test func `max_missing_scores lies in 0 to 1`() throws {
    #expect(try readRecipe(recipeText()).settings.maxMissingScores == 0.1)
    #expect(try readRecipe(recipeText() + "max_missing_scores: 0\n").settings.maxMissingScores == 0)
    #expect(throws: RecipeError.self) { try readRecipe(recipeText() + "max_missing_scores: 1.5\n") }
  }
}

/// Training on a reward that is easily hacked: the smallest file is that of a blank image.
@MainActor
@Suite(.serialized, .cpuKernels) struct HeldOutRewardRunTests {
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

  @Test func `a held-out reward that falls while the trained one rises stops the run or warns`()
    async throws
  {
    let folder = try TemporaryFolder()
    let stopped = try await train(folder, settings(folder, action: "stop"), run: "stop")
    #expect(!stopped.isFinished && stopped.epochs < 6)
    #expect(stopped.stoppedBy?.contains("the held-out reward shapes has fallen from") == true)
    let evaluations = stopped.evaluations
    #expect(evaluations.allSatisfy { $0.heldOutRewards?["shapes"]?.count == 16 })
    #expect((evaluations.last?.trainingReward ?? 0) > (evaluations[0].trainingReward ?? 0))
    // A resumed run with `action: stop` would stop again; with `action: warn` it finishes.
    var messages: [String] = []
    let whole = try await train(
      folder, settings(folder, action: "warn"), run: "stop", resume: true,
      write: { messages.append($0) })
    #expect(whole.isFinished && whole.epochs == 6)
    #expect(messages.contains { $0.contains("warning: the held-out reward shapes has fallen") })
    let lines = try MetricsLog.read(folder.path + "/stop/metrics.jsonl")
      .filter { $0[.kind] == "evaluation" }
    #expect(lines.map { $0[.epoch]?.int } == [0, 1, 2, 3, 4, 5, 6])
    let first = whole.evaluations[0].heldOutRewards?["shapes"]?.mean
    #expect(lines[0][.heldOutRewards]?["shapes"]?[.mean]?.number == first)
    #expect(lines[0][.heldOutAlarms]?.array?.isEmpty == true)
    #expect(lines[stopped.epochs][.heldOutAlarms]?.array == ["shapes"])
    #expect(lines[0]["reward_mean.jpeg_compressibility"] == lines[0][.trainingRewardMean])
  }
}
