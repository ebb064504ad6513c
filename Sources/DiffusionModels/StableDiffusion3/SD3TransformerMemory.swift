import TorchNN

/// Bytes of an `SD3Transformer2DModel`'s activations, counted from its operators.
///
/// S image tokens, T text tokens, width D; a "part" is a stream's tokens times D elements in
/// the weights' precision. Figures are per row; a sample under guidance is two rows. The attention
/// matrix is never stored, because the kernels process it in tiles.
public struct SD3TransformerMemory {
  private let configuration: SD3TransformerConfiguration
  private let imageTokens: Int
  private let textTokens: Int
  private let bytes: Int

  /// - Parameters:
  ///   - imageTokens: S, patches of one latent.
  ///   - textTokens: T, rows of one prompt as inputs of the blocks.
  ///   - elementBytes: bytes of one element of the weights, 2 or 4.
  public init(
    _ configuration: SD3TransformerConfiguration, imageTokens: Int, textTokens: Int,
    elementBytes: Int
  ) {
    self.configuration = configuration
    self.imageTokens = imageTokens
    self.textTokens = textTokens
    bytes = elementBytes
  }

  /// Peak of a forward pass without gradients.
  ///
  /// The peak occurs in the feed-forward layer of the image or of the text. It holds the hidden
  /// values before and after GELU (4 parts each), the input, and the values that live as long as
  /// the block: for both streams the inputs of the block and the outputs of attention, and the
  /// stream's sum of the two. For the text, the image's sum and update are held as well.
  public var evaluation: Int {
    let (image, text) = (part(imageTokens), part(textTokens))
    return max(12 * image + 2 * text, 4 * image + 12 * text)
  }

  /// Activations that a forward pass keeps for the backward pass without checkpointing.
  public func kept(_ learning: TrainableWeights) -> Int {
    (0..<configuration.numLayers).reduce(0) { $0 + kept(learning, layer: $1) }
  }

  /// Activations kept with checkpointing: the inputs of every block and the activations of one
  /// block.
  public func keptRecomputing(_ learning: TrainableWeights) -> Int {
    let largest = (0..<configuration.numLayers).map { kept(learning, layer: $0) }.max() ?? 0
    return configuration.numLayers * (part(imageTokens) + part(textTokens)) + largest
  }

  /// Peak of the backward pass, in addition to the kept activations: the gradients of the
  /// feed-forward layer's hidden values before and after GELU, the gradients of both streams, and
  /// their inputs.
  public var backward: Int { part(imageTokens) * 14 + part(textTokens) * 4 }

  private func part(_ tokens: Int) -> Int { tokens * configuration.width * bytes }

  /// Activations that one block keeps.
  private func kept(_ learning: TrainableWeights, layer: Int) -> Int {
    let isLast = layer == configuration.numLayers - 1
    let isDual = configuration.dualAttentionLayers.contains(layer)
    let path = "transformer_blocks.\(layer)"
    let joint = part(imageTokens + textTokens)
    // Queries, keys, values and output of the attention over both streams.
    var total = isLast ? 2 * joint + 2 * part(imageTokens) : 4 * joint
    total += stream(learning, "\(path).attn", .image, "\(path).ff", tokens: imageTokens)
    total +=
      isLast
      ? part(textTokens) + projections(learning, "\(path).attn", .text, tokens: textTokens)
      : stream(learning, "\(path).attn", .text, "\(path).ff_context", tokens: textTokens)
    if isDual {
      total += 4 * part(imageTokens)
      total += projections(learning, "\(path).attn2", .image, tokens: imageTokens)
      if learning == .full { total += part(imageTokens) }
    }
    return total
  }

  /// Activations of one stream outside attention.
  private func stream(
    _ learning: TrainableWeights, _ attention: String, _ keys: QueryKeyValue.Keys,
    _ feedForward: String, tokens: Int
  ) -> Int {
    let name = keys.query == QueryKeyValue.Keys.image.query ? "to_out.0" : "to_add_out"
    // The inputs of both layer norms and of the GELU.
    var total = 6 * part(tokens)
    total += projections(learning, attention, keys, tokens: tokens)
    // The attention's output layer keeps a copy, because its input is a slice of both streams.
    total += inputs(learning, ["\(attention).\(name)"], tokens: tokens)
    total += inputs(learning, ["\(feedForward).net.0.proj"], tokens: tokens)
    total += 4 * inputs(learning, ["\(feedForward).net.2"], tokens: tokens)
    // The factors of modulations and gates, if these are trained.
    if learning == .full { total += 4 * part(tokens) }
    return total
  }

  /// Queries, keys and values: their common input, and the values kept by the norms of queries and
  /// keys.
  private func projections(
    _ learning: TrainableWeights, _ attention: String, _ keys: QueryKeyValue.Keys, tokens: Int
  ) -> Int {
    let layers = [keys.query, keys.key, keys.value].map { "\(attention).\($0)" }
    let norms = configuration.qkNorm == nil ? 0 : 2 * part(tokens)
    return inputs(learning, layers, tokens: tokens) + norms
  }

  /// The input that linear layers of a common input of width D keep; none if they are frozen.
  private func inputs(_ learning: TrainableWeights, _ layers: [String], tokens: Int) -> Int {
    layers.contains(where: learning.changes) ? part(tokens) : 0
  }
}
