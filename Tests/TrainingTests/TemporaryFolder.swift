import DiffusionModels
import Foundation
import Recipes
import Runs
import ShapeScenes
import Training

/// A folder that is removed when the value is deinitialized.
final class TemporaryFolder {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory
      .appending(path: "tempflow-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.resolvingSymlinksInPath().path
  }

  deinit {
    do { try FileManager.default.removeItem(atPath: path) } catch { print("\(path): \(error)") }
  }

  /// Writes text to a file of this folder.
  func write(_ text: String, to name: String) throws {
    try text.write(toFile: "\(path)/\(name)", atomically: true, encoding: .utf8)
  }

  /// Prompts of the shapes task and the configuration of a tiny model: the inputs of a plan.
  func writeShapesTask(prompts: Int, heldOut: Int) throws {
    try PromptFile.write(shapePrompts(prompts), to: "\(path)/train.jsonl")
    try PromptFile.write(shapePrompts(heldOut), to: "\(path)/held-out.jsonl")
    func write(_ configuration: some ModelConfiguration, _ component: String) throws {
      let folder = "\(path)/model/\(component)"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try configuration.json().write(to: URL(filePath: "\(folder)/config.json"))
    }
    try write(tinyTransformer, "transformer")
    try write(tinyAutoencoder, "vae")
    for component in ["text_encoder", "text_encoder_2"] {
      try write(tinyTextEncoder, component)
    }
  }
}

extension TemporaryFolder {
  /// Reads a recipe whose paths start from this folder.
  func recipe(_ text: String, _ overrides: [String] = []) throws -> Recipe<TrainingRecipe> {
    try TrainingRecipe.read(
      RecipeDocument(
        text: text, name: "recipe.yaml", folder: path, overrides: overrides, currentFolder: path))
  }

  /// Trains a recipe into the folder `run`.
  @MainActor
  func train(
    _ recipe: Recipe<TrainingRecipe>, as run: String, resume: Bool = false
  ) async throws -> RunSummary {
    let output = try RunOutput(
      "\(path)/\(run)", resume: resume, recipe: recipe, recipeName: "recipe",
      progress: ProgressReporter(columns: nil, write: { _ in }, now: { 0 }))
    return try await Trainer(recipe.settings, output: output).train()
  }
}

/// `count` different prompts of one and two objects.
func shapePrompts(_ count: Int) -> [ScenePrompt] {
  let all = SceneColor.allCases.flatMap { color in
    SceneShape.allCases.map { shape in
      ScenePrompt(
        tag: .colors, include: [.init(shape, color: color)],
        prompt: "a photo of a \(color.rawValue) \(shape.rawValue)")
    }
  }
  precondition(count <= all.count, "\(all.count) prompts can be made")
  return Array(all.prefix(count))
}
