import ArgumentParser
import CPUKernels
import Runs
import Torch

/// The command `tempflow`; every subcommand has a file in this folder.
struct TempFlowCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tempflow",
    abstract: "Fine-tunes flow-matching image models with TempFlow-GRPO.",
    discussion: """
      A recipe (one YAML file) holds the model, prompts, rewards and settings of a training run. \
      `plan` computes its cost, `train` runs it, `report` writes a page about the run.

      Example: tempflow train Recipes/shapes.yaml --run-dir runs/demo
      """,
    version: Version.current,
    subcommands: [
      TrainCommand.self, LaunchCommand.self, PlanCommand.self, ExportCommand.self,
      PretrainCommand.self, SampleCommand.self, EvaluateCommand.self, ScoreCommand.self,
      ReportCommand.self, CompareCommand.self, BenchCommand.self, DoctorCommand.self,
    ])
}

/// The entry point of the process.
@main
enum TempFlowMain {
  /// Checks the libtorch release and the kernel names and installs the kernels before anything is
  /// computed; `doctor` reports these errors as findings, and help, version and `launch` need
  /// neither.
  static func main() async {
    let arguments = CommandLine.arguments.dropFirst()
    let computes = !["doctor", "launch", "help", "--version"].contains(arguments.first)
    if computes, !arguments.contains("--help"), !arguments.contains("-h") {
      do {
        try TorchRuntime.checkVersion()
        CPUKernel.install(try CPUKernel.chosenByEnvironment())
      } catch {
        TempFlowCommand.exit(withError: error)
      }
    }
    await TempFlowCommand.main()
  }
}
