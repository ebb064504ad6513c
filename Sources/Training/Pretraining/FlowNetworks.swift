import DiffusionModels

extension PretrainingRecipe {
  /// The shape of the transformer.
  func transformerShape(latentSide: Int) -> TransformerShape {
    TransformerShape(
      latentSide: latentSide, latentChannels: autoencoder.latentChannels, patch: transformer.patch,
      layers: transformer.layers, singleLayers: transformer.singleLayers,
      heads: transformer.heads, headWidth: transformer.headWidth)
  }
}
