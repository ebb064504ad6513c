internal import DiffusionModels

extension FlowModelMetadata {
  /// What the folder of a recipe's model says; configuration files are enough.
  ///
  /// - Throws: `TrainingError.model` for a folder that no family reads, an adapter target that
  ///   matches nothing, an impossible image size; whatever is wrong with `lora.init_from`.
  init(_ recipe: TrainingRecipe) throws(TrainingError) {
    self = try ofModel { () throws(PipelineError) in
      try FlowModelRegistry.family(of: recipe.model)
        .metadata(of: recipe.source, training: recipe.trainableWeights)
    }
    _ = try recipe.initialAdapters()
  }
}
