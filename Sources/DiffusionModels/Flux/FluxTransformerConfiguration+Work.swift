import TorchNN

extension FluxTransformerConfiguration {
  /// The arithmetic of one row of a `FluxTransformer2DModel`.
  ///
  /// Matrix products and attention are counted; norms, activations and sums are not. S image
  /// tokens, T text tokens, width D.
  ///
  /// - Parameters:
  ///   - imageTokens: S, of one latent and of its source image.
  ///   - textTokens: T, rows of one prompt.
  /// - learning: the trainable parameters; they determine the backward pass.
  public func work(
    imageTokens: Int, textTokens: Int, _ learning: TrainableWeights
  ) -> NetworkWork {
    var linears = NetworkWork.Linears(learning)
    let (d, s, t) = (width, imageTokens, textTokens)
    linears.add("x_embedder", inChannels, d, tokens: s)
    // A frozen layer runs once per prompt, which is not counted for any row.
    if learning.changes("context_embedder") {
      linears.add("context_embedder", jointAttentionDim, d, tokens: t)
    }
    let vectors =
      [("timestep", 256), ("text", pooledProjectionDim)]
      + (guidanceEmbeds ? [("guidance", 256)] : [])
    for (name, inputs) in vectors {
      linears.add("time_text_embed.\(name)_embedder.linear_1", inputs, d, tokens: 1)
      linears.add("time_text_embed.\(name)_embedder.linear_2", d, d, tokens: 1)
    }
    let costs = blockCosts(imageTokens: s, textTokens: t, elementBytes: 1)
    for layer in 0..<numLayers { costs.add(to: &linears, "transformer_blocks.\(layer)") }
    for layer in 0..<numSingleLayers {
      let path = "single_transformer_blocks.\(layer)"
      linears.add("\(path).norm.linear", d, 3 * d, tokens: 1)
      for name in ["to_q", "to_k", "to_v"] {
        linears.add("\(path).attn.\(name)", d, d, tokens: s + t)
      }
      linears.add("\(path).proj_mlp", d, 4 * d, tokens: s + t)
      linears.add("\(path).proj_out", 5 * d, d, tokens: s + t)
    }
    linears.add("norm_out.linear", d, 2 * d, tokens: 1)
    linears.add("proj_out", d, outChannels, tokens: s)
    let attention =
      4 * Double(numLayers + numSingleLayers) * Double(s + t) * Double(s + t) * Double(d)
    return linears.work(attention: attention)
  }
}
