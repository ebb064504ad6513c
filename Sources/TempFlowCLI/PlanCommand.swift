import ArgumentParser
import Foundation
import Rewards
import Runs
import Training

/// `tempflow plan`: the cost of a recipe, computed before anything is loaded.
struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Computes the cost of training a recipe before anything is loaded.",
    discussion: """
      Prints prompts, groups, model calls, sample evaluations, decodes, rewards, updates and \
      memory. If numbers do not fit together, the error names numbers that do.

      Example: tempflow plan Recipes/shapes.yaml --set sampling.branches=6
      """)

  @OptionGroup var recipe: RecipeArguments
  @OptionGroup var output: OutputOptions

  func run() throws {
    let recipe = try recipe.read()
    for warning in recipe.warnings.map(\.description) + Self.missing(recipe.settings.allRewards) {
      FileHandle.standardError.write(Data("warning: \(warning)\n".utf8))
    }
    let plan = try TrainingPlan(recipe.settings)
    try output.print(plan) { plan.text }
  }

  /// Unmet requirements of the rewards. They are warnings because a plan may be for another
  /// machine; training refuses to start with them.
  private static func missing(_ rewards: [RewardSettings]) -> [String] {
    rewards.compactMap { reward in
      do throws(RewardError) {
        try RewardRegistry.check(reward)
        return nil
      } catch {
        return "\(error)"
      }
    }
  }
}
