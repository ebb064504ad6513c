import TorchNN

/// Bytes and floating-point operations of a `DoubleStreamBlock`, counted from its operators.
///
/// S image tokens, T text tokens, width D; a "part" is a stream's tokens times D elements in the
/// weights' precision. Figures are per row. The attention matrix is never stored, because the
/// kernels process it in tiles.
struct DoubleStreamCosts {
  let names: (image: DoubleStreamBlock.Names, text: DoubleStreamBlock.Names)
  let width: Int
  let imageTokens: Int
  let textTokens: Int
  /// Bytes of one element of the weights, 2 or 4.
  let elementBytes: Int

  /// Peak of a forward pass without gradients, in the feed-forward layer of the larger stream:
  /// hidden values before and after GELU (4 parts each), the input, and inputs and outputs of
  /// attention of both streams.
  var evaluation: Int { 8 * part(max(imageTokens, textTokens)) + 5 * joint }

  /// Peak of the backward pass, in addition to the kept activations.
  var backward: Int { 10 * part(max(imageTokens, textTokens)) + 4 * joint }

  /// Bytes of the tokens of both streams.
  var joint: Int { part(imageTokens + textTokens) }

  /// Bytes of `tokens` of width D.
  func part(_ tokens: Int) -> Int { tokens * width * elementBytes }

  /// Activations that the block at `path` keeps for its backward pass.
  func kept(_ learning: TrainableWeights, _ path: String, updatesText: Bool = true) -> Int {
    // Queries, keys, values and output of the attention over both streams.
    4 * joint
      + kept(learning, path, streams[0], isUpdated: true)
      + kept(learning, path, streams[1], isUpdated: updatesText)
  }

  /// The names of a stream's layers.
  private struct Stream {
    let inputs: [String]
    let output: String
    let names: DoubleStreamBlock.Names
    let tokens: Int
  }

  private var streams: [Stream] {
    [
      Stream(
        inputs: ["to_q", "to_k", "to_v"], output: "to_out.0", names: names.image,
        tokens: imageTokens),
      Stream(
        inputs: ["add_q_proj", "add_k_proj", "add_v_proj"], output: "to_add_out",
        names: names.text, tokens: textTokens),
    ]
  }

  /// Activations of one stream outside attention.
  private func kept(
    _ learning: TrainableWeights, _ path: String, _ stream: Stream, isUpdated: Bool
  ) -> Int {
    let tokens = stream.tokens
    let inputs = stream.inputs.map { "\(path).attn.\($0)" }
    // The inputs of a layer norm and of the norms of queries and keys.
    guard isUpdated else { return 3 * part(tokens) + input(learning, inputs, tokens: tokens) }
    // The inputs of both layer norms, of the norms of queries and keys, and of the GELU.
    var total = 8 * part(tokens) + input(learning, inputs, tokens: tokens)
    // The attention's output layer keeps a copy, because its input is a slice of both streams.
    total += input(learning, ["\(path).attn.\(stream.output)"], tokens: tokens)
    let feedForward = "\(path).\(stream.names.feedForward)"
    total += input(learning, ["\(feedForward).net.0.proj"], tokens: tokens)
    total += 4 * input(learning, ["\(feedForward).net.2"], tokens: tokens)
    // The factors of modulations and gates, if these are trained.
    if learning == .full { total += 4 * part(tokens) }
    return total
  }

  /// The input that linear layers of a common input of width D keep; none if they are frozen.
  func input(_ learning: TrainableWeights, _ layers: [String], tokens: Int) -> Int {
    layers.contains(where: learning.changes) ? part(tokens) : 0
  }

  /// Adds the linear layers of the block at `path`.
  func add(
    to linears: inout NetworkWork.Linears, _ path: String, updatesText: Bool = true
  ) {
    for (index, stream) in streams.enumerated() {
      linears.add("\(path).\(stream.names.modulation)", width, 6 * width, tokens: 1)
      let isUpdated = index == 0 || updatesText
      for name in stream.inputs + (isUpdated ? [stream.output] : []) {
        linears.add("\(path).attn.\(name)", width, width, tokens: stream.tokens)
      }
      guard isUpdated else { continue }
      let feedForward = "\(path).\(stream.names.feedForward)"
      linears.add("\(feedForward).net.0.proj", width, 4 * width, tokens: stream.tokens)
      linears.add("\(feedForward).net.2", 4 * width, width, tokens: stream.tokens)
    }
  }
}
