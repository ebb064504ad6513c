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
