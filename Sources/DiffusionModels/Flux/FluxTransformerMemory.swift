import TorchNN

/// Bytes of a `FluxTransformer2DModel`'s activations, counted from its operators.
///
/// S image tokens, those of a source image included, T text tokens, width D; a "part" is a stream's
/// tokens times D elements in the weights' precision. Figures are per row. The attention matrix is
/// never stored, because the kernels process it in tiles.
public struct FluxTransformerMemory {
  private let configuration: FluxTransformerConfiguration
  private let imageTokens: Int
  private let textTokens: Int
  private let bytes: Int

  /// - Parameters:
  ///   - imageTokens: S, of one latent and of its source image.
  ///   - textTokens: T, rows of one prompt.
  ///   - elementBytes: bytes of one element of the weights, 2 or 4.
  public init(
    _ configuration: FluxTransformerConfiguration, imageTokens: Int, textTokens: Int,
    elementBytes: Int
  ) {
    self.configuration = configuration
    self.imageTokens = imageTokens
    self.textTokens = textTokens
    bytes = elementBytes
  }

  /// Peak of a forward pass without gradients.
  ///
  /// The peak occurs where the first single block joins the outputs of attention and of GELU (5
  /// parts, and 5 joined) beside the two streams, their joined values and the normalized ones. Or,
  /// without single blocks, it occurs in the feed-forward layer of the larger stream of a double
  /// block: hidden values before and after GELU (4 parts each), the input, and inputs and outputs
  /// of attention of both streams.
  public var evaluation: Int {
    let double = 8 * part(max(imageTokens, textTokens)) + 5 * joint
    return configuration.numSingleLayers > 0 ? max(13 * joint, double) : double
  }

  /// Activations that a forward pass keeps for the backward pass without checkpointing.
  public func kept(_ learning: TrainableWeights) -> Int {
    blocks(learning).reduce(0, +)
  }

  /// Activations kept with checkpointing: the inputs of every block and the activations of one
  /// block.
  public func keptRecomputing(_ learning: TrainableWeights) -> Int {
    let blocks = blocks(learning)
    return blocks.count * joint + (blocks.max() ?? 0)
  }

  /// Peak of the backward pass, in addition to the kept activations: in a single block the
  /// gradients of the joined values (5 parts) and of those before and after GELU (4 each), and the
  /// gradient of its input.
  public var backward: Int {
    configuration.numSingleLayers > 0
      ? 14 * joint : 10 * part(max(imageTokens, textTokens)) + 4 * joint
  }

  private var joint: Int { part(imageTokens + textTokens) }

  private func part(_ tokens: Int) -> Int { tokens * configuration.width * bytes }

  /// The activations that each block keeps.
  private func blocks(_ learning: TrainableWeights) -> [Int] {
    (0..<configuration.numLayers).map { double(learning, "transformer_blocks.\($0)") }
      + (0..<configuration.numSingleLayers).map {
        single(learning, "single_transformer_blocks.\($0)")
      }
  }

  private func double(_ learning: TrainableWeights, _ path: String) -> Int {
    // Queries, keys, values and output of the attention over both streams.
    4 * joint
      + stream(
        learning, path, ["to_q", "to_k", "to_v"], "to_out.0", "ff", tokens: imageTokens)
      + stream(
        learning, path, ["add_q_proj", "add_k_proj", "add_v_proj"], "to_add_out", "ff_context",
        tokens: textTokens)
  }

  /// Activations of one stream outside attention.
  private func stream(
    _ learning: TrainableWeights, _ path: String, _ layers: [String], _ output: String,
    _ feedForward: String, tokens: Int
  ) -> Int {
    // The inputs of both layer norms, of the norms of queries and keys, and of the GELU.
    var total = 8 * part(tokens)
    total += inputs(learning, layers.map { "\(path).attn.\($0)" }, tokens: tokens)
    // The attention's output layer keeps a copy, because its input is a slice of both streams.
    total += inputs(learning, ["\(path).attn.\(output)"], tokens: tokens)
    total += inputs(learning, ["\(path).\(feedForward).net.0.proj"], tokens: tokens)
    total += 4 * inputs(learning, ["\(path).\(feedForward).net.2"], tokens: tokens)
    // The factors of modulations and gates, if these are trained.
    if learning == .full { total += 4 * part(tokens) }
    return total
  }

  private func single(_ learning: TrainableWeights, _ path: String) -> Int {
    let tokens = imageTokens + textTokens
    // Queries, keys, values and output of attention; the inputs of the layer norm, of the norms of
    // queries and keys, and of the GELU.
    var total = 11 * joint
    let layers = ["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"]
    total += inputs(learning, layers.map { "\(path).\($0)" }, tokens: tokens)
    total += 5 * inputs(learning, ["\(path).proj_out"], tokens: tokens)
    if learning == .full { total += 2 * joint }
    return total
  }

  /// The input that linear layers of a common input of width D keep; none if they are frozen.
  private func inputs(_ learning: TrainableWeights, _ layers: [String], tokens: Int) -> Int {
    layers.contains(where: learning.changes) ? part(tokens) : 0
  }
}
