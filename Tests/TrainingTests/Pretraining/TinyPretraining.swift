import Recipes
import Runs
import ShapeScenes
import TestSupport
import Training

/// A recipe that runs in a second or two: small networks, few steps, ten prompts to measure.
///
/// - Parameter folder: receives the file of held-out prompts, and the model as `model`.
func tinyPretraining(_ folder: String, changes: [String] = []) throws -> PretrainingRecipe {
  let heldOut = "\(folder)/held-out.jsonl"
  try PromptFile.write(Array(PromptFile.read(promptFile("held-out")).prefix(10)), to: heldOut)
  let text = """
    output: \(folder)/model
    seed: 5
    threads: 1
    data: {prompts: "\(promptFile("train"))", images: 96}
    autoencoder:
      channels: [8, 8, 8]
      norm_groups: 4
      steps: 30
      batch: 8
      learning_rate: 2e-3
      warmup_steps: 5
    text_encoder: {width: 8, layers: 2, heads: 2, projection: 8, tokens: 14}
    transformer: {layers: 2, heads: 2, head_width: 8}
    flow:
      steps: 40
      batch: 8
      learning_rate: 3e-3
      warmup_steps: 5
      ema_decay: 0.9
      shift_terminal: 0.1
    evaluation: {prompts: "\(heldOut)", every: 20, count: 4, steps: 2}
    """
  return try RecipeDocument(
    text: text, name: "tiny.yaml", folder: "/", overrides: changes
  ).read(PretrainingRecipe.init).settings
}

/// The path of a committed prompt file.
func promptFile(_ name: String) -> String {
  repositoryFolder() + "/Prompts/shapes/\(name).jsonl"
}

/// A reporter that stores its lines.
final class Lines {
  private(set) var text = ""

  var reporter: ProgressReporter {
    ProgressReporter(columns: nil, write: { self.text += $0 }, now: { 0 })
  }

  /// The losses that a stage reported, in order.
  func losses(of stage: String) -> [Double] {
    text.split(separator: "\n").filter { $0.hasPrefix(stage) && $0.contains("loss") }
      .compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }
  }
}
