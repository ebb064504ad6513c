internal import Rewards

/// The prompts of a run: those of its epochs, and those held out for evaluations.
struct RunPrompts {
  let training: [Prompt]
  let evaluation: [Prompt]
  private let order: PromptOrder

  /// Reads both files of the recipe.
  ///
  /// - Throws: `TrainingError.model` for an unknown family, `TrainingError.prompts`.
  init(_ recipe: TrainingRecipe) throws(TrainingError) {
    let (training, heldOut) = try PromptList.files(of: recipe)
    self.training = training
    evaluation = Array(heldOut.prefix(recipe.evaluation.prompts ?? heldOut.count))
    order = PromptOrder(
      count: training.count, promptsPerEpoch: recipe.prompts.perEpoch, seed: recipe.seed)
  }

  /// The prompts of both files that a run with any number of epochs may use.
  var all: [Prompt] { training + evaluation }

  /// The prompts of an epoch, numbered from 0.
  func epoch(_ epoch: Int) -> [Prompt] { order.prompts(epoch: epoch).map { training[$0] } }

  /// The prompts of all evaluations and of the first `epochs` epochs, in the order of first use.
  func used(epochs: Int) -> [Prompt] {
    evaluation + order.used(epochs: epochs).map { training[$0] }
  }
}
