extension ImageGeometry {
  /// The sizes of an image of Stable Diffusion 3.
  ///
  /// - Parameter image: nil means a square of the transformer's sample size, as in diffusers.
  /// - Throws: `PipelineError.imageSize`.
  package init(
    _ image: ImageSize?, _ transformer: SD3TransformerConfiguration,
    _ autoencoder: AutoencoderKLConfiguration, path: String
  ) throws(PipelineError) {
    try self.init(
      image, defaultSide: transformer.sampleSize, factor: autoencoder.spatialFactor,
      patch: transformer.patchSize,
      limit: (transformer.posEmbedMaxSize, "pos_embed_max_size"), path: path)
  }
}
