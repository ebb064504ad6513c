import DiffusionModels
import Recipes
import TestSupport
import Testing
import Training

@Suite struct PretrainingRecipeTests {
  @Test func `the committed recipe reads without warnings`() throws {
    let recipe = try PretrainingRecipe.read(
      path: repositoryFolder() + "/Recipes/shapes-pretrain.yaml")
    #expect(recipe.warnings.isEmpty)
    #expect(recipe.settings.output == repositoryFolder() + "/Models/shapes")
    #expect(recipe.settings.data.prompts == promptFile("train"))
  }

  @Test func `channels that the norm groups do not divide are refused`() throws {
    try expectRefusal("autoencoder.channels=[8, 9]")
  }

  @Test func `a misspelled key is refused`() throws {
    try expectRefusal("flow.text_dropuot=0.2")
  }

  @Test func `the learning rate rises, then falls to its final share`() throws {
    var stage = try withTemporaryFolder { try tinyPretraining($0).flow.stage }
    stage.steps = 1000
    stage.warmupSteps = 100
    stage.learningRate = 1
    stage.finalShare = 0.1
    #expect(stage.learningRate(atStep: 0) < 0.011)
    let rates = (0..<1000).map(stage.learningRate)
    #expect(zip(rates[..<90], rates[1...90]).allSatisfy { $0 < $1 })
    #expect(zip(rates[100..<999], rates[101...]).allSatisfy { $0 > $1 })
    #expect(abs(rates[999] - 0.1) < 1e-4)
  }

  private func expectRefusal(_ change: String) throws {
    try withTemporaryFolder { folder in
      _ = #expect(throws: RecipeError.self) {
        try tinyPretraining(folder, changes: [change])
      }
    }
  }
}

@Suite struct PretrainingPipelineTests {
  private func issues(_ changes: [String]) throws -> [String] {
    try withTemporaryFolder { folder in
      do throws(RecipeError) {
        _ = try PretrainingRecipe.read(
          path: repositoryFolder() + "/Recipes/shapes-edit-pretrain.yaml", overrides: changes)
        return []
      } catch {
        return error.issues.map { "\($0)" }
      }
    }
  }

  @Test func `the committed recipe of the editing model reads without warnings`() throws {
    let recipe = try PretrainingRecipe.read(
      path: repositoryFolder() + "/Recipes/shapes-edit-pretrain.yaml")
    #expect(recipe.warnings.isEmpty)
    #expect(recipe.settings.pipeline == "FluxKontextPipeline")
    #expect(recipe.settings.data.task == .shapesEdit && recipe.settings.textEncoder.projection == nil)
  }

  @Test(arguments: [
    ("pipeline=FluxPipeline", "pipeline: FluxPipeline takes no source image"),
    ("data.task=shapes", "pipeline: FluxKontextPipeline takes a source image"),
    ("pipeline=WanPipeline", "must be one of StableDiffusion3Pipeline, FluxPipeline"),
    ("transformer.patch=4", "transformer.patch: FluxPipeline has patches of side 2"),
    ("transformer.head_width=33", "transformer.head_width: 33 cannot be divided"),
    ("transformer.head_width=4", "transformer.head_width: 4 cannot be divided"),
  ])
  func `a pipeline that does not fit its task or shape is an error at its key`(
    change: String, message: String
  ) throws {
    let issues = try issues([change])
    #expect(issues.contains { $0.contains(message) }, "\(issues)")
  }

  @Test func `settings without effect are warned of`() throws {
    let recipe = try PretrainingRecipe.read(
      path: repositoryFolder() + "/Recipes/shapes-edit-pretrain.yaml",
      overrides: ["evaluation.guidance_scale=2", "flow.caption_dropout=0.2"])
    #expect(recipe.warnings.count == 2)
    #expect(recipe.warnings.allSatisfy { "\($0)".contains("trained without guidance") })
    #expect(recipe.settings.evaluation.guidanceScale == 1)
  }
}
