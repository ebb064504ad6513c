import TorchNN

extension SD3TransformerConfiguration {
  /// The arithmetic of one row of an `SD3Transformer2DModel`; a sample under classifier-free
  /// guidance is two rows.
  ///
  /// Matrix products and attention are counted; norms, activations and sums are not. S image
  /// tokens, T text tokens, width D.
  ///
  /// - Parameters:
  ///   - imageTokens: S, patches of one latent.
  ///   - textTokens: T, the distinct rows of one prompt.
  /// - learning: the trainable parameters; they determine the backward pass.
  public func work(
    imageTokens: Int, textTokens: Int, _ learning: TrainableWeights
  ) -> NetworkWork {
    var linears = NetworkWork.Linears(learning)
    var attention = 0.0
    let (d, s, t) = (width, imageTokens, textTokens)
    let patch = patchSize * patchSize
    linears.add("pos_embed.proj", inChannels * patch, d, tokens: s)
    // A frozen layer runs once per prompt, which is not counted for any row.
    if learning.changes("context_embedder") {
      linears.add("context_embedder", jointAttentionDim, d, tokens: t)
    }
    for (name, inputs) in [("timestep", 256), ("text", pooledProjectionDim)] {
      linears.add("time_text_embed.\(name)_embedder.linear_1", inputs, d, tokens: 1)
      linears.add("time_text_embed.\(name)_embedder.linear_2", d, d, tokens: 1)
    }
    for layer in 0..<numLayers {
      let path = "transformer_blocks.\(layer)"
      let isLast = layer == numLayers - 1
      let isDual = dualAttentionLayers.contains(layer)
      linears.add("\(path).norm1.linear", d, (isDual ? 9 : 6) * d, tokens: 1)
      linears.add("\(path).norm1_context.linear", d, (isLast ? 2 : 6) * d, tokens: 1)
      for name in ["to_q", "to_k", "to_v", "to_out.0"] {
        linears.add("\(path).attn.\(name)", d, d, tokens: s)
        if isDual { linears.add("\(path).attn2.\(name)", d, d, tokens: s) }
      }
      for name in ["add_k_proj", "add_v_proj"] + (isLast ? [] : ["add_q_proj", "to_add_out"]) {
        linears.add("\(path).attn.\(name)", d, d, tokens: t)
      }
      let streams = isLast ? [("ff", s)] : [("ff", s), ("ff_context", t)]
      for (name, tokens) in streams {
        linears.add("\(path).\(name).net.0.proj", d, 4 * d, tokens: tokens)
        linears.add("\(path).\(name).net.2", 4 * d, d, tokens: tokens)
      }
      attention += 4 * Double(isLast ? s : s + t) * Double(s + t) * Double(width)
      if isDual { attention += 4 * Double(s) * Double(s) * Double(width) }
    }
    linears.add("norm_out.linear", d, 2 * d, tokens: 1)
    linears.add("proj_out", d, patch * outChannels, tokens: s)
    return linears.work(attention: attention)
  }
}
