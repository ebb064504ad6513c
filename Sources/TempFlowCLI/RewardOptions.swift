import ArgumentParser
import Foundations
import Recipes
import Rewards
import Torch
import Training

/// A reward and its settings: shared by `score` and `evaluate`.
struct RewardOptions: ParsableArguments {
  @Option(name: .long, help: "The reward: \(RewardRegistry.names.joined(separator: ", ")).")
  var reward: String

  @Option(name: .long, help: "Folder of the reward's weights, for rewards that are networks.")
  var rewardModel: String?

  @Option(
    name: .customLong("set"), parsing: .singleValue,
    help: "A setting of the reward as in a recipe's entry of `rewards`, such as timeout=5.")
  var settings: [String] = []

  @Option(
    name: .long,
    help: "Largest share of images without a score, 0 to 1; beyond it the command fails.")
  var maxMissingScores = 0.1

  func validate() throws {
    if !(0...1).contains(maxMissingScores) {
      throw ValidationError("--max-missing-scores must be in 0 ... 1")
    }
  }

  /// Checks the share of missing scores.
  ///
  /// - Throws: `RewardError.missing` when it is above `--max-missing-scores`.
  func checkMissing(_ evaluation: Evaluation) throws(RewardError) {
    let excess = evaluation.missing.excess(over: maxMissingScores, of: evaluation.images.count)
    if let excess {
      throw .missing("\(excess), and --max-missing-scores allows \(maxMissingScores) of them")
    }
  }

  /// Reads and checks the reward; warnings go to standard error.
  ///
  /// - Parameter device: the default device of a network.
  /// - Throws: `RecipeError` with everything that is wrong, `RewardError`, or the error of a device
  ///   that does not exist.
  func read(device: Device) throws -> RewardEntry {
    let model = rewardModel.map { ["model='\($0.replacing("'", with: "''"))'"] } ?? []
    let recipe = try RewardEntry.read(reward, settings + model, device: device)
    for warning in recipe.warnings {
      StandardStream.warn("\(warning)")
    }
    let entry = recipe.settings
    try entry.check()
    if let device = entry.device { try TorchRuntime.check(device) }
    return entry
  }
}

/// The help of `--prompts`, shared by the commands that read prompts from a file.
let promptFileHelp: ArgumentHelp =
  """
  File of prompts: one a line, JSON with the key "prompt" (.jsonl, .json), or a table with such a \
  column (.csv, .tsv).
  """
