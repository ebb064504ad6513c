import ArgumentParser
import Foundations
import ProcessGroups
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
      no weights is enough. With --processes it prints what each process does, the bytes it sends, \
      its memory, and what waiting for the slowest costs.

      Example: tempflow plan Recipes/shapes.yaml --set sampling.branches=6
      """)

  @OptionGroup var recipe: RecipeArguments

  @Option(
    name: .long,
    help: "TFLOP/s of one GPU, for the GPU-hours (an H200 reached 260 in an iteration).")
  var teraflops = 260.0

  @Option(name: .long, help: "Processes that train together, one a GPU.")
  var processes = 1

  @Option(name: .long, help: "Machines the processes run on, with equally many each.")
  var hosts = 1

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if !(teraflops > 0) { throw ValidationError("--teraflops must be above 0") }
    let mostProcesses = LaunchVariables.mostProcesses
    if !(1...mostProcesses).contains(processes) {
      throw ValidationError("--processes must be in 1 ... \(mostProcesses)")
    }
    if !(1...processes).contains(hosts) {
      throw ValidationError("--hosts must be in 1 ... \(processes) (--processes)")
    }
    if processes % hosts != 0 {
      let below = processes / hosts * hosts
      let fitting = [below, below + hosts].filter { $0 > 0 }.map(String.init)
      throw ValidationError(
        "\(processes) processes cannot be divided equally among \(hosts) hosts; use --processes "
          + fitting.joined(separator: " or "))
    }
  }

  func run() throws {
    let recipe = try recipe.read()
    for warning in recipe.warnings.map(\.description) + Self.missing(recipe.settings.allRewards) {
      StandardStream.warn(warning)
    }
    let plan = try TrainingPlan(recipe.settings, processes: processes, hosts: hosts)
    for warning in plan.processes?.warnings ?? [] {
      StandardStream.warn(warning)
    }
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
        return "\(error)" + (reward.device == nil ? "" : "; the plan's memory is without it")
      }
    }
  }
}
