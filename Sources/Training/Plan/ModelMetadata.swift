internal import DiffusionModels

extension FlowModelMetadata {
  /// Reads the sizes and costs of the recipe's model; configuration files are enough.
  ///
  /// - Throws: `TrainingError.model` for a folder of no family, an adapter target without matches,
  ///   an impossible image size, or any error of `lora.init_from`.
  init(_ recipe: TrainingRecipe) throws(TrainingError) {
    self = try ofModel { () throws(PipelineError) in
      try FlowModelRegistry.family(of: recipe.model)
        .metadata(of: recipe.source, training: recipe.trainableWeights)
    }
    _ = try recipe.initialAdapters()
  }
}
