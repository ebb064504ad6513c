internal import DiffusionModels

extension PromptList {
  /// Reads both prompt files of a recipe, each in full, for its rewards and its family of models.
  ///
  /// - Throws: `TrainingError.model` for an unknown family, `TrainingError.prompts`.
  static func files(
    of recipe: TrainingRecipe
  ) throws(TrainingError) -> (training: [Prompt], evaluation: [Prompt]) {
    let rewards = recipe.allRewards
    let images = try ofModel { () throws(PipelineError) in
      try FlowModelRegistry.defaults(of: recipe.model).conditionImages
    }
    let training = try read(recipe.prompts.train, for: rewards, conditionImages: images)
    let evaluation = try read(recipe.prompts.evaluation, for: rewards, conditionImages: images)
    let (count, heldOut) = (training[0].images.count, evaluation[0].images.count)
    guard count == heldOut else {
      throw .prompts(
        "\(recipe.prompts.train) has \(count) source images with a prompt and "
          + "\(recipe.prompts.evaluation) \(heldOut); a run trains and measures one task")
    }
    return (training, evaluation)
  }
}
