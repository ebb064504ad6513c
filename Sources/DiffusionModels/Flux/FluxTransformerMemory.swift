import TorchNN

/// Bytes of a `FluxTransformer2DModel`'s activations, counted from its operators.
///
/// S image tokens, those of a source image included, T text tokens, width D; see
/// `DoubleStreamCosts`. Figures are per row.
public struct FluxTransformerMemory {
  private let configuration: FluxTransformerConfiguration
  private let costs: DoubleStreamCosts

  /// - Parameters:
  ///   - imageTokens: S, of one latent and of its source image.
  ///   - textTokens: T, rows of one prompt.
  ///   - elementBytes: bytes of one element of the weights, 2 or 4.
  public init(
    _ configuration: FluxTransformerConfiguration, imageTokens: Int, textTokens: Int,
    elementBytes: Int
  ) {
    self.configuration = configuration
    costs = configuration.blockCosts(
      imageTokens: imageTokens, textTokens: textTokens, elementBytes: elementBytes)
  }

  /// Peak of a forward pass without gradients.
  ///
  /// The peak occurs where the first single block joins the outputs of attention and of GELU (5
  /// parts, and 5 joined) beside the two streams, their joined values and the normalized ones. Or,
  /// without single blocks, it occurs in a double block.
  public var evaluation: Int {
    configuration.numSingleLayers > 0 ? max(13 * costs.joint, costs.evaluation) : costs.evaluation
  }

  /// Activations that a forward pass keeps for the backward pass without checkpointing.
  public func kept(_ learning: TrainableWeights) -> Int {
    blocks(learning).reduce(0, +)
  }

  /// Activations kept with checkpointing: the inputs of every block and the activations of one
  /// block.
  public func keptRecomputing(_ learning: TrainableWeights) -> Int {
    let blocks = blocks(learning)
    return blocks.count * costs.joint + (blocks.max() ?? 0)
  }

  /// Peak of the backward pass, in addition to the kept activations: in a single block the
  /// gradients of the joined values (5 parts) and of those before and after GELU (4 each), and the
  /// gradient of its input.
  public var backward: Int {
    configuration.numSingleLayers > 0 ? 14 * costs.joint : costs.backward
  }

  /// The activations that each block keeps.
  private func blocks(_ learning: TrainableWeights) -> [Int] {
    (0..<configuration.numLayers).map { costs.kept(learning, "transformer_blocks.\($0)") }
      + (0..<configuration.numSingleLayers).map {
        single(learning, "single_transformer_blocks.\($0)")
      }
  }

  private func single(_ learning: TrainableWeights, _ path: String) -> Int {
    let tokens = costs.imageTokens + costs.textTokens
    // Queries, keys, values and output of attention; the inputs of the layer norm, of the norms of
    // queries and keys, and of the GELU.
    var total = 11 * costs.joint
    let layers = ["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"]
    total += costs.input(learning, layers.map { "\(path).\($0)" }, tokens: tokens)
    total += 5 * costs.input(learning, ["\(path).proj_out"], tokens: tokens)
    if learning == .full { total += 2 * costs.joint }
    return total
  }
}

extension FluxTransformerConfiguration {
  /// The costs of a block with two streams.
  func blockCosts(imageTokens: Int, textTokens: Int, elementBytes: Int) -> DoubleStreamCosts {
    DoubleStreamCosts(
      names: (.fluxImage, .fluxText), width: width, imageTokens: imageTokens,
      textTokens: textTokens, elementBytes: elementBytes)
  }
}
