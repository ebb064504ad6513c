import DiffusionModels
import Foundation
import Foundations
import Recipes
import Runs
import TestSupport
import Testing
import Torch
import TorchNN
import Training

/// Runs that export adapters, and runs that start from them.
@MainActor
@Suite(.serialized) struct InitialAdaptersTests {
  private static let layers = "lora: {rank: 2, targets: [attn.to_q, attn.to_v]}"
  private static let schedule = """
    epochs: 1
    threads: 1
    checkpoints: {every: 1}
    ema: {update_every: 1}
    """

  /// A folder with the task and a finished run `first` with adapters.
  private func folder() async throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try folder.writeShapesTask(prompts: 8, heldOut: 6)
    try writeTinyModel(to: folder.path + "/model")
    _ = try await train(folder, "first")
    return folder
  }

  private func recipe(
    _ folder: TemporaryFolder, _ overrides: [String] = []
  ) throws -> Recipe<TrainingRecipe> {
    let text = recipeText([
      ("epochs: 4", Self.schedule), ("trainable: full", "trainable: lora\n\(Self.layers)"),
      ("clip_range: 3e-2", "clip_range: 3e-2, kl_beta: 0.01"),
      ("learning_rate: 1e-3", "learning_rate: 1e-2"),
      ("updates_per_epoch: 2", "updates_per_epoch: 1"),
    ])
    return try TrainingRecipe.read(
      RecipeDocument(
        text: text, name: "tiny.yaml", folder: folder.path, overrides: overrides,
        currentFolder: folder.path))
  }

  private func train(
    _ folder: TemporaryFolder, _ run: String, _ overrides: [String] = []
  ) async throws -> [JSONValue] {
    let recipe = try recipe(folder, overrides)
    let output = try RunOutput(
      "\(folder.path)/\(run)", resume: false, recipe: recipe, recipeName: "tiny",
      progress: ProgressReporter(columns: nil, write: { _ in }, now: { 0 }))
    _ = try await Trainer(recipe.settings, output: output).train()
    return try MetricsLog.read("\(folder.path)/\(run)/metrics.jsonl")
  }

  @Test(arguments: LoRA.Format.allCases)
  func `training starts from the adapters, and its reference is the model without them`(
    format: LoRA.Format
  ) async throws {
    let folder = try await folder()
    let first = try MetricsLog.read(folder.path + "/first/metrics.jsonl")
    let learned = try LearnedAdapters(folder.path + "/first")
    try learned.lora.write(format, to: "\(folder.path)/lora.safetensors")
    let second = try await train(folder, "second", ["lora.init_from=lora.safetensors"])
    let (end, start) = (first[2], second[0])
    #expect(start[.trainingRewardMean]?.number == end[.trainingRewardMean]?.number)
    let begun = try LearnedAdapters(folder.path + "/second", checkpoint: 0).lora
    #expect(begun.tensors.count == learned.lora.tensors.count)
    for (name, tensor) in learned.lora.tensors {
      #expect(relativeError(try #require(begun.tensors[name]), tensor) < 1e-6, "\(name)")
    }
    // New adapters add 0, so the policy of the first update equals its reference.
    #expect(first[1][.kl]?.number == 0)
    #expect((second[1][.kl]?.number ?? 0) > 0)
  }

  @Test func `rank, alpha and layers other than the recipe's are named`() async throws {
    let folder = try await folder()
    for (setting, parts) in [
      ("lora.rank=4", ["has rank 2, lora.rank is 4"]),
      ("lora.alpha=5", ["has alpha 4.0, lora.alpha is 5.0"]),
      ("lora.targets=[attn.to_q]", ["adapts 'transformer_blocks.0.attn.to_v'", "lora.targets"]),
      ("lora.targets=[attn.to_q, attn.to_v, ff.net.2]", ["'transformer_blocks.0.ff.net.2'"]),
    ] {
      let recipe = try recipe(folder, ["lora.init_from=first/adapters", setting])
      let error = #expect(throws: TrainingError.self) { try TrainingPlan(recipe.settings) }
      let text = error.map { "\($0)" } ?? ""
      for part in parts + ["lora.init_from: ", "first/adapters"] {
        #expect(text.contains(part), "\(text)")
      }
    }
  }

  @Test func `a run directory in place of adapters is refused with the folder that has them`()
    async throws
  {
    let folder = try await folder()
    let recipe = try recipe(folder, ["lora.init_from=first"])
    let error = #expect(throws: TrainingError.self) { try TrainingPlan(recipe.settings) }
    let text = error.map { "\($0)" } ?? ""
    #expect(text.contains("lora.init_from: "), "\(text)")
    #expect(text.contains("name its adapters, ") && text.hasSuffix("first/adapters"), "\(text)")
    #expect(throws: TrainingError.self) {
      try LearnedAdapters.refuseRunDirectory(folder.path + "/first")
    }
    try LearnedAdapters.refuseRunDirectory(folder.path + "/first/adapters")
  }

  @Test func `a checkpoint's average is exported with its metadata`() async throws {
    let folder = try await folder()
    let result = try LearnedAdapters(folder.path + "/first").lora
    let checkpoint = try LearnedAdapters(folder.path + "/first", checkpoint: 1).lora
    #expect(result.paths == checkpoint.paths)
    for (name, tensor) in result.tensors {
      #expect(largestDifference(tensor, try #require(checkpoint.tensors[name])) == 0)
    }
    #expect(result.record == checkpoint.record)
    #expect(result.record.recipe == "tiny" && result.record.baseModel == "model")
    #expect(result.record.epoch == 1 && result.record.updates == 1)
    #expect(result.record.rewards == ["shapes"])
    let error = #expect(throws: RunError.self) {
      try LearnedAdapters(folder.path + "/first", checkpoint: 7)
    }
    #expect(
      error.map { "\($0)".contains("no checkpoint 7") && "\($0)".contains("there is 0, 1") } == true
    )
  }
}
