import Foundation
import Foundations
import ImageFiles
import Recipes
import Rewards
import Runs
import Testing
import Torch
import Training

/// Mean brightness of an image, times a gain.
private struct BrightnessReward: Reward {
  let name: String
  let gain: Double

  func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    RewardScores(total: samples.map { gain * brightness($0.image) })
  }
}

/// `brightness`, a reward of these tests: it has the key `gain` and requires `tag` in the prompts'
/// metadata.
private struct BrightnessFactory: RewardFactory {
  static let name = "brightness"
  static let registration: Void = RewardRegistry.register(BrightnessFactory.self)

  let label: String
  let gain: Double

  init(_ section: RecipeSection, label: String, device: Device) {
    self.label = label
    gain = section.double("gain", in: 0...10, default: 1)
  }

  static func checkPrompt(_ metadata: [String: JSONValue]) throws(PromptFault) {
    if metadata["tag"] == nil { throw PromptFault("has no tag, which brightness reads") }
  }

  func makeReward() -> any Reward { BrightnessReward(name: label, gain: gain) }
}

/// A reward that is registered outside the package's list is read, trained and scored like the
/// others.
@MainActor
@Suite(.serialized) struct ExtendedRewardTests {
  init() { BrightnessFactory.registration }

  private func text(_ entry: String) -> String { recipeText([("[{name: shapes}]", "[\(entry)]")]) }

  @Test func `a registered reward is listed, and its keys are read strictly`() throws {
    #expect(RewardRegistry.names.contains("brightness"))
    let recipe = try readRecipe(text("{name: brightness}"))
    #expect((recipe.settings.rewards[0].reward.factory as? BrightnessFactory)?.gain == 1)
    #expect(recipe.resolved.text.contains("    gain: 1.0\n"))
    let error = #expect(throws: RecipeError.self) {
      try readRecipe(text("{name: brightness, gian: 2}"))
    }
    #expect(
      error?.issues.map(\.message)
        == ["unknown key \"gian\" in \"rewards.0\"; did you mean \"gain\"?"])
    let range = #expect(throws: RecipeError.self) {
      try readRecipe(text("{name: brightness, gain: 11}"))
    }
    #expect(range?.issues.count == 1)
    #expect(try RewardEntry.read("brightness", ["gain=3"]).settings.label == "brightness")
  }

  @Test func `a registered reward checks prompts at the start of a run`() async throws {
    let folder = try tinyTask()
    try folder.write("a ring\n", to: "train.jsonl")
    try folder.write("{\"prompt\": \"a ring\"}\n", to: "plain.jsonl")
    let error = await #expect(throws: TrainingError.self) {
      try await train(
        folder,
        [("name: shapes", "name: brightness"), ("train: train.jsonl", "train: plain.jsonl")])
    }
    #expect(
      error?.description
        == "\(folder.path)/plain.jsonl:1: has no tag, which brightness reads")
  }

  @Test func `a registered reward is trained, held out and reported`() async throws {
    let folder = try tinyTask()
    let summary = try await train(
      folder,
      [
        ("[{name: shapes}]", "[{name: brightness, gain: 2, label: light}]"),
        (
          "epochs: 4",
          "epochs: 1\nthreads: 1\n"
            + "held_out_rewards: [{name: brightness, label: plain, threshold: 9}]"
        ),
      ])
    #expect(summary.isFinished)
    #expect(summary.evaluationProtocol.reward == "light")
    let light = try #require(summary.after.overall.mean)
    let plain = try #require(summary.evaluations.last?.heldOutRewards?["plain"]?.mean)
    #expect(light > 0)
    #expect(abs(light - 2 * plain) < 1e-12)
    let lines = try MetricsLog.read(folder.path + "/run/metrics.jsonl")
    #expect(lines[1]["reward_mean.light"]?.number != nil)
  }
}
