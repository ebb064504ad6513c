public import DiffusionModels

/// Height and width of an image, in pixels.
public struct ImageSize: Equatable, Sendable {
  public var height: Int
  public var width: Int

  public init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }
}

/// The sizes of one image of a pipeline: pixels, latents and tokens.
public struct ImageGeometry: Equatable, Sendable {
  public let image: ImageSize
  /// Rows of the latents.
  public let latentHeight: Int
  /// Columns of the latents.
  public let latentWidth: Int
  /// Patches of the latents.
  public let imageTokens: Int

  /// Works out the sizes.
  ///
  /// - Parameters:
  ///   - image: nil is a square of the transformer's sample size, as in diffusers.
  ///   - path: the model, named in errors.
  /// - Throws: `PipelineError.imageSize` when a side is no whole number of patches, or more than
  ///   the transformer has positions for.
  public init(
    _ image: ImageSize?, _ transformer: SD3TransformerConfiguration,
    _ autoencoder: AutoencoderKLConfiguration, path: String
  ) throws(PipelineError) {
    let factor = autoencoder.spatialFactor
    let side = transformer.sampleSize * factor
    let image = image ?? ImageSize(height: side, width: side)
    let unit = factor * transformer.patchSize
    let limit = transformer.posEmbedMaxSize * unit
    for (name, side) in [("height", image.height), ("width", image.width)] {
      guard side >= unit, side % unit == 0 else {
        let below = max(side / unit, 1) * unit
        throw .imageSize(
          path: path,
          reason: "the \(name) \(side) is not a multiple of \(unit) pixels; "
            + (side < below ? "\(below) is" : "\(below) and \(below + unit) are"))
      }
      guard side <= limit else {
        throw .imageSize(
          path: path,
          reason: "the \(name) \(side) exceeds the \(limit) pixels that the transformer has "
            + "positions for (pos_embed_max_size \(transformer.posEmbedMaxSize))")
      }
    }
    self.image = image
    latentHeight = image.height / factor
    latentWidth = image.width / factor
    imageTokens = (image.height / unit) * (image.width / unit)
  }
}
