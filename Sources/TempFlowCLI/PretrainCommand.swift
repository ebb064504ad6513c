import ArgumentParser
import Foundation
import Recipes
import Runs
import Training

/// `tempflow pretrain`: trains the embedded model from scratch.
struct PretrainCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pretrain",
    abstract: "Trains the embedded model from scratch: autoencoder, then flow matching.",
    discussion: """
      Writes the recipe's model folder (diffusers layout) before every evaluation, each time as \
      a whole. Ctrl-C ends it after the current step.

      Example: tempflow pretrain Recipes/shapes-pretrain.yaml --set output=Models/mine
      """)

  @Argument(help: "The recipe, a YAML file.")
  var recipe: String

  @Option(name: .long, parsing: .singleValue, help: "Overrides a setting: key.key=value.")
  var set: [String] = []

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let recipe = try PretrainingRecipe.read(path: recipe, overrides: set)
    let progress = ProgressReporter.standardError()
    for warning in recipe.warnings { progress.message("warning: \(warning)") }
    StopSignal.install()
    let pretrainer = try Pretrainer(recipe.settings, progress: progress) {
      StopSignal.isRequested
    }
    let outcome = try await pretrainer.run()
    try output.print(Report(recipe.settings, outcome)) { text(recipe.settings, outcome) }
  }

  private func text(_ recipe: PretrainingRecipe, _ outcome: Pretrainer.Outcome) -> String {
    let seconds = outcome.phaseSeconds.sorted { $0.key < $1.key }
      .map { "\($0.key) \(StageProgress.text(seconds: $0.value))" }.joined(separator: ", ")
    let way = outcome.evaluationProtocol
    return """
      Strict accuracy on \(way.promptCount) held-out prompts, \
      \(way.steps) steps, guidance \(way.guidanceScale):
      \(outcome.accuracy.table())

      time: \(seconds)
      model: \(recipe.output)
      """
  }

  /// The output of `--json`.
  private struct Report: Encodable {
    var model: String
    var accuracy: TaggedScores
    var credit: TaggedScores
    var evaluationProtocol: RunSummary.EvaluationProtocol
    var phaseSeconds: [String: Double]
    var parameterCounts: [String: Int]
    var machine: Machine

    init(_ recipe: PretrainingRecipe, _ outcome: Pretrainer.Outcome) {
      model = recipe.output
      accuracy = outcome.accuracy
      credit = outcome.credit
      evaluationProtocol = outcome.evaluationProtocol
      phaseSeconds = outcome.phaseSeconds
      parameterCounts = outcome.parameterCounts
      machine = outcome.machine
    }

    private enum CodingKeys: String, CodingKey {
      case model, accuracy, credit, machine
      case evaluationProtocol = "protocol"
      case phaseSeconds = "phase_seconds"
      case parameterCounts = "parameter_counts"
    }
  }
}
