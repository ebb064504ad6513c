public import Torch
public import TorchNN

/// CLIP's image tower with its projection (transformers' `CLIPVisionModelWithProjection`).
///
/// B images of side S in N patches, width D, projected width P.
public struct CLIPVisionModelWithProjection {
  public let configuration: CLIPVisionConfiguration
  let classToken: Tensor
  let patches: Tensor
  let positions: Embedding
  let firstNorm: LayerNorm
  let layers: [CLIPLayer]
  let finalNorm: LayerNorm
  let projection: Linear

  /// Builds the network from parameters named as in a transformers checkpoint.
  ///
  /// - Throws: `ParameterError` for a missing parameter or a wrong shape.
  public init(
    _ configuration: CLIPVisionConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    self.configuration = configuration
    let model = parameters["vision_model"]
    let (width, side) = (configuration.hiddenSize, configuration.patchSize)
    let embeddings = model["embeddings"]
    classToken = try embeddings.tensor(
      "class_embedding", width, initial: .normal(1 / Double(width).squareRoot()))
    patches = try embeddings["patch_embedding"].tensor(
      "weight", width, 3, side, side, initial: .fanIn(3 * side * side))
    let patchesPerSide = configuration.imageSize / side
    positions = try Embedding(
      patchesPerSide * patchesPerSide + 1, width, embeddings["position_embedding"])
    embeddings.ignore("position_ids")
    // The misspelled name of the published checkpoints.
    firstNorm = try LayerNorm(width, epsilon: configuration.layerNormEps, model["pre_layrnorm"])
    var layers: [CLIPLayer] = []
    for index in 0..<configuration.numHiddenLayers {
      layers.append(
        try CLIPLayer(configuration, isCausal: false, model["encoder"]["layers"][index]))
    }
    self.layers = layers
    finalNorm = try LayerNorm(width, epsilon: configuration.layerNormEps, model["post_layernorm"])
    projection = try Linear(
      width, configuration.projectionDim, bias: false, parameters["visual_projection"])
  }

  /// The projected class token, not normalized to length 1. `[B, 3, S, S] -> [B, P]`
  ///
  /// - Parameter images: normalized as in `preprocessor_config.json`; S is `imageSize`.
  public func callAsFunction(_ images: Tensor) -> Tensor {
    let batch = images.shape[0]
    precondition(
      images.shape == [batch, 3, configuration.imageSize, configuration.imageSize],
      "images of shape \(images.shape) for an image_size of \(configuration.imageSize)")
    let grid = images.to(patches.dtype)
      .conv2d(weight: patches, bias: nil, stride: configuration.patchSize, padding: 0)
    let tokens = Tensor.cat(
      [
        classToken.expanded([batch, 1, classToken.shape[0]]),
        grid.flattened(from: 2, to: 3).transposed(1, 2),
      ], dim: 1)
    var hidden = firstNorm(tokens + positions.weight)
    for layer in layers { hidden = layer(hidden) }
    return projection(finalNorm(hidden.selected(dim: 1, index: 0)))
  }
}
