import ArgumentParser
import CPUKernels
import Dashboard
import Foundation
import Foundations
import ProcessGroups
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

  @Option(
    name: .long,
    help: "Seconds that a process waits for another one of the run before it gives up.")
  var timeout = 1800.0

  func validate() throws {
    if !(1...1e6).contains(timeout) { throw ValidationError("--timeout must be in 1 ... 1e6") }
  }

  func run() async throws {
    let launch = try LaunchVariables(environment: ProcessInfo.processInfo.environment)
    do {
      let summary = try await train(launch)
      if launch?.rank ?? 0 == 0 { try output.print(summary) { AccuracyTable(summary).text } }
    } catch {
      // What stops all processes is printed once, by the first; every process logs it.
      let isSaid = (error as? ProcessGroupError)?.isSaid(by: launch?.rank ?? 0) ?? false
      guard let launch, launch.rank > 0, !isSaid else { throw error }
      throw ExitCode.failure
    }
  }

  @MainActor
  private func train(_ launch: LaunchVariables?) async throws -> RunSummary {
    let group =
      try launch.map { try ProcessGroup($0, timeout: .seconds(timeout)) } ?? .alone
    do {
      return try await train(in: group, launch)
    } catch let error as ProcessGroupError where group.isLeader {
      // It is said before the wait, in which a launcher may end this process.
      StandardStream.writeError("Error: \(error)\n")
      group.letOthersLearn(error)
      throw ExitCode.failure
    }
  }

  @MainActor
  private func train(
    in group: ProcessGroup, _ launch: LaunchVariables?
  ) async throws -> RunSummary {
    let loaded = try group.agree("reading the recipe") { try recipe.read() }
    let kernels = try group.agree("the kernels") {
      try CPUKernel.chosenByEnvironment().map(\.nameWithInstructions).sorted()
    }
    try group.checkEqual(loaded.resolved, kernels: kernels)
    let settings = try group.agree("checking the recipe") {
      try checked(loaded.settings, group)
    }
    try group.agree("joining over NCCL") { try group.use(settings.device) }
    try group.connect(settings.device)
    let run = try open(loaded, group, launch)
    StopSignal.install()
    do {
      return try await Trainer(settings, output: run, group: group).train()
    } catch {
      run.note(error)
      // A store may have ended with rank 0, which has said why before.
      if case .storeLost? = error as? ProcessGroupError, !group.isLeader,
        let reason = run.leaderStop
      {
        // It took this process for lost or late.
        if reason.contains(group.place(of: group.rank)) {
          StandardStream.writeError("Error: \(error). It had noted: \(reason)\n")
        }
        throw ExitCode.failure
      }
      throw error
    }
  }

  /// The settings for this process's device. Throws what makes the recipe impossible before a run
  /// directory is made.
  private func checked(
    _ settings: TrainingRecipe, _ group: ProcessGroup
  ) throws -> TrainingRecipe {
    var settings = settings
    settings.device = try group.placed(settings.device)
    try settings.check(processes: group.size)
    _ = try TrainingPlan(settings)
    try TorchRuntime.use(settings.device)
    for reward in settings.allRewards {
      try reward.check()
      // The name of the run's meeting point does not matter here.
      let placed = try reward.placed(at: group.rewardPlace(""))
      if let device = placed.device { try TorchRuntime.check(device) }
    }
    return settings
  }

  /// Opens the run directory: the first process writes it, the others follow. Processes that a
  /// launcher has started again go on with the run that those before them had opened.
  @MainActor
  private func open(
    _ loaded: Recipe<TrainingRecipe>, _ group: ProcessGroup, _ launch: LaunchVariables?
  ) throws -> RunOutput {
    let path = runDir ?? "runs/\(recipe.name)"
    return try RunOutput.open(path, in: group, recipeName: recipe.name) {
      let isRestarted = launch?.restartCount ?? 0 > 0
      let resumes = try resume
        || (isRestarted && launch?.launch.map { try RunDirectory.wasOpened(path, by: $0) } ?? false)
      return try RunOutput(
        path, resume: resumes, launch: launch?.launch, recipe: loaded, recipeName: recipe.name,
        progress: .standardError())
    }
  }
}
