import ArgumentParser
import Foundation
import Recipes
import Training

/// The recipe and its overrides, shared by `train` and `plan`.
struct RecipeArguments: ParsableArguments {
  @Argument(help: "Recipe, a YAML file; docs/recipes.md describes its keys.")
  var recipe: String

  @Option(
    name: .customLong("set"), help: "Overrides a setting, such as sampling.branches=6.")
  var settings: [String] = []

  @Option(
    name: .long,
    help: "Start from these LoRA adapters: a PEFT folder, or a diffusers or kohya file.")
  var initFrom: String?

  /// Reads the recipe.
  ///
  /// - Throws: `RecipeError` with all problems of the recipe.
  func read() throws -> Recipe<TrainingRecipe> {
    let adapters = initFrom.map { ["lora.init_from='\($0.replacing("'", with: "''"))'"] } ?? []
    let document = try RecipeDocument(path: recipe, overrides: settings + adapters)
    try document.check(.training)
    return try TrainingRecipe.read(document)
  }

  /// The recipe file's name without its extension: `sd3.5-medium-ocr` of `sd3.5-medium-ocr.yaml`.
  var name: String { URL(filePath: recipe).deletingPathExtension().lastPathComponent }
}
