import ArgumentParser
import Dashboard
import Foundation
import Recipes
import Rewards
import Runs
import Torch
import Training

/// `tempflow train`: runs a recipe.
struct TrainCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Trains a model by a recipe.",
    discussion: """
      Everything is written into the run directory; docs/run-directory.md describes it. SIGINT \
      and SIGTERM finish the epoch under way, save and exit with 0; --resume goes on, also after \
      a crash, and equals a run that was never stopped, bit for bit. --init-from is the recipe's \
      key lora.init_from: training starts from these adapters with a fresh optimizer.

      Example: tempflow train Recipes/shapes.yaml --run-dir runs/demo --set epochs=20
      """)

  @OptionGroup var recipe: RecipeArguments

  @Option(name: .long, help: "Where the run is written (default: runs/ and the recipe's name).")
  var runDir: String?

  @Flag(name: .long, help: "Go on with the run in the run directory.")
  var resume = false

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let summary = try await train()
    try output.print(summary) { AccuracyTable(summary).text }
  }

  @MainActor
  private func train() async throws -> RunSummary {
    let loaded = try recipe.read()
    // Throws what makes the recipe impossible before a run directory is made.
    _ = try TrainingPlan(loaded.settings)
    try TorchRuntime.check(loaded.settings.device)
    for reward in loaded.settings.allRewards {
      try reward.check()
      if let device = reward.device { try TorchRuntime.check(device) }
    }
    let run = try RunOutput(
      runDir ?? "runs/\(recipe.name)", resume: resume, recipe: loaded, recipeName: recipe.name,
      progress: .standardError())
    StopSignal.install()
    return try await Trainer(loaded.settings, output: run).train()
  }
}
