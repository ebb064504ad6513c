import ArgumentParser
import CPUKernels
import Runs
import Torch

/// The command `tempflow`: one subcommand a file, in this folder.
struct TempFlowCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tempflow",
    abstract: "Teaches flow-matching image models with TempFlow-GRPO.",
    discussion: """
      A recipe (one YAML file) says what is learned, from which prompts and rewards, and how. \
      `plan` works out what it costs, `train` runs it, `report` draws the account of the run.

      Example: tempflow train Recipes/shapes.yaml --run-dir runs/demo
      """,
    version: Version.current,
    subcommands: [
      TrainCommand.self, PlanCommand.self, ExportCommand.self,
      PretrainCommand.self, SampleCommand.self, EvaluateCommand.self, ScoreCommand.self,
      ReportCommand.self, CompareCommand.self, BenchCommand.self, DoctorCommand.self,
    ])
}

/// Where the process begins.
@main
enum TempFlowMain {
  /// Refuses a libtorch of another release, and kernels that do not exist, before anything is
  /// computed, and installs the kernels; `doctor` reports them instead.
  static func main() async {
    if CommandLine.arguments.dropFirst().first != "doctor" {
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
