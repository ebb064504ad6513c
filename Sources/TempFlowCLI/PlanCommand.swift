import ArgumentParser
import Foundation
import Recipes
import Rewards
import Training

/// `tempflow plan`: the cost of a recipe, computed before anything is loaded.
struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Computes the cost of training a recipe before anything is loaded.",
    discussion: """
      Prints prompts, groups, model calls, NFE, decodes, rewards, updates, \
      GPU-hours of the transformer, the prompt cache's size and memory, and refuses numbers that \
      do not fit together with those that would. With a memory_budget it lists what fits: storage \
      of the base, image sizes, micro-batches. A folder with the model's configuration files and \
      no weights is enough.

      Example: tempflow plan Recipes/shapes.yaml --set sampling.branches=6
      """)

  @OptionGroup var recipe: RecipeArguments

  @Option(
    name: .long,
    help: "TFLOP/s of one GPU, for the GPU-hours (an H100 reaches about 400 in bfloat16).")
  var teraflops = 400.0

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if !(teraflops > 0) { throw ValidationError("--teraflops must be above 0") }
  }

  func run() throws {
    let recipe = try recipe.read()
    for warning in recipe.warnings.map(\.description) + Self.missing(recipe.settings.allRewards) {
      FileHandle.standardError.write(Data("warning: \(warning)\n".utf8))
    }
    let plan = try TrainingPlan(recipe.settings)
    try output.print(plan) { plan.text(teraflops: teraflops) }
  }

  /// Unmet requirements of the rewards. They are warnings because a plan may be for another
  /// machine; training refuses to start with them.
  private static func missing(_ rewards: [RewardEntry]) -> [String] {
    rewards.compactMap { reward in
      do throws(RewardError) {
        try reward.check()
        return nil
      } catch {
        return "\(error)"
      }
    }
  }
}
