import TorchNN

extension QwenImageTransformerConfiguration {
  /// The costs of a block.
  private func blockCosts(
    imageTokens: Int, textTokens: Int, elementBytes: Int
  ) -> DoubleStreamCosts {
    DoubleStreamCosts(
      names: (.qwenImage, .qwenText), width: width, imageTokens: imageTokens,
      textTokens: textTokens, elementBytes: elementBytes)
  }

  private func path(_ layer: Int) -> String { "transformer_blocks.\(layer)" }

  /// The arithmetic of one row of a `QwenImageTransformer2DModel`.
  ///
  /// Matrix products and attention are counted; norms, activations and sums are not. S image
  /// tokens, T text tokens, width D. Padding is computed, too.
  ///
  /// - Parameters:
  ///   - imageTokens: S, of one latent.
  ///   - textTokens: T, rows of one prompt.
  ///   - learning: the trainable parameters; they determine the backward pass.
  public func work(
    imageTokens: Int, textTokens: Int, _ learning: TrainableWeights
  ) -> NetworkWork {
    var linears = NetworkWork.Linears(learning)
    linears.add("img_in", inChannels, width, tokens: imageTokens)
    // A frozen layer runs once per prompt, which is not counted for any row.
    if learning.changes("txt_in") {
      linears.add("txt_in", jointAttentionDim, width, tokens: textTokens)
    }
    let time = "time_text_embed.timestep_embedder"
    linears.add("\(time).linear_1", Waves.width, width, tokens: 1)
    linears.add("\(time).linear_2", width, width, tokens: 1)
    let costs = blockCosts(imageTokens: imageTokens, textTokens: textTokens, elementBytes: 1)
    for layer in 0..<numLayers {
      costs.add(to: &linears, path(layer), updatesText: layer < numLayers - 1)
    }
    linears.add("norm_out.linear", width, 2 * width, tokens: 1)
    linears.add("proj_out", width, 4 * outChannels, tokens: imageTokens)
    let tokens = Double(imageTokens + textTokens)
    return linears.work(attention: 4 * Double(numLayers) * tokens * tokens * Double(width))
  }

  /// Bytes of activations, per row.
  ///
  /// - Parameters:
  ///   - imageTokens: S, of one latent.
  ///   - textTokens: T, rows of one prompt.
  ///   - elementBytes: bytes of one element of the weights, 2 or 4.
  public func activations(
    imageTokens: Int, textTokens: Int, elementBytes: Int, _ learning: TrainableWeights
  ) -> ActivationMemory {
    let costs = blockCosts(
      imageTokens: imageTokens, textTokens: textTokens, elementBytes: elementBytes)
    let blocks = (0..<numLayers).map {
      costs.kept(learning, path($0), updatesText: $0 < numLayers - 1)
    }
    return ActivationMemory(
      evaluation: costs.evaluation, kept: blocks.reduce(0, +),
      keptWithCheckpointing: blocks.count * costs.joint + (blocks.max() ?? 0),
      backward: costs.backward)
  }
}
