import TorchNN

/// The floating-point operations of an `SD3Transformer2DModel` that every implementation needs; a
/// multiplication and an addition count as two.
///
/// Matrix products and attention are counted; norms, activations and sums are not. S image tokens,
/// T text tokens, width D; figures are per row, and a sample under guidance is two rows.
public struct SD3TransformerWork: Sendable, Equatable {
  /// One evaluation without gradients.
  public let forward: Double
  /// One forward pass and its backward pass. Recomputation by gradient checkpointing is not
  /// counted.
  public let training: Double

  /// - Parameters:
  ///   - imageTokens: S, patches of one latent.
  ///   - textTokens: T, the distinct rows of one prompt.
  /// - learning: the trainable parameters; they determine the backward pass.
  public init(
    _ configuration: SD3TransformerConfiguration, imageTokens: Int, textTokens: Int,
    _ learning: TrainableWeights
  ) {
    var linears = 0.0
    var adapters = 0.0
    var attention = 0.0
    let width = Double(configuration.width)
    func linear(_ path: String, _ inputs: Int, _ outputs: Int, tokens: Int) {
      linears += 2 * Double(inputs) * Double(outputs) * Double(tokens)
      guard case .adapters(let plan) = learning, plan.adapts(path) else { return }
      adapters += 2 * Double(plan.rank) * Double(inputs + outputs) * Double(tokens)
    }
    let (d, s, t) = (configuration.width, imageTokens, textTokens)
    let patch = configuration.patchSize * configuration.patchSize
    linear("pos_embed.proj", configuration.inChannels * patch, d, tokens: s)
    // A frozen layer runs once per prompt, which is not counted for any row.
    if learning.changes("context_embedder") {
      linear("context_embedder", configuration.jointAttentionDim, d, tokens: t)
    }
    for (name, inputs) in [("timestep", 256), ("text", configuration.pooledProjectionDim)] {
      linear("time_text_embed.\(name)_embedder.linear_1", inputs, d, tokens: 1)
      linear("time_text_embed.\(name)_embedder.linear_2", d, d, tokens: 1)
    }
    for layer in 0..<configuration.numLayers {
      let path = "transformer_blocks.\(layer)"
      let isLast = layer == configuration.numLayers - 1
      let isDual = configuration.dualAttentionLayers.contains(layer)
      linear("\(path).norm1.linear", d, (isDual ? 9 : 6) * d, tokens: 1)
      linear("\(path).norm1_context.linear", d, (isLast ? 2 : 6) * d, tokens: 1)
      for name in ["to_q", "to_k", "to_v", "to_out.0"] {
        linear("\(path).attn.\(name)", d, d, tokens: s)
        if isDual { linear("\(path).attn2.\(name)", d, d, tokens: s) }
      }
      for name in ["add_k_proj", "add_v_proj"] + (isLast ? [] : ["add_q_proj", "to_add_out"]) {
        linear("\(path).attn.\(name)", d, d, tokens: t)
      }
      let streams = isLast ? [("ff", s)] : [("ff", s), ("ff_context", t)]
      for (name, tokens) in streams {
        linear("\(path).\(name).net.0.proj", d, 4 * d, tokens: tokens)
        linear("\(path).\(name).net.2", 4 * d, d, tokens: tokens)
      }
      attention += 4 * Double(isLast ? s : s + t) * Double(s + t) * width
      if isDual { attention += 4 * Double(s) * Double(s) * width }
    }
    linear("norm_out.linear", d, 2 * d, tokens: 1)
    linear("proj_out", d, patch * configuration.outChannels, tokens: s)

    forward = linears + adapters + attention
    // The backward pass of a linear layer computes the gradient of its input and, if it is trained,
    // of its weight. Each of attention's two products has two products of its size in the backward
    // pass.
    training = forward + (learning == .full ? 2 : 1) * linears + 2 * adapters + 2 * attention
  }
}
