public import Torch
public import TorchNN

/// Qwen2's decoder without its head (transformers' `Qwen2VLTextModel` and `Qwen2_5_VLTextModel`).
///
/// B rows of T tokens, width D.
public struct Qwen2LanguageModel {
  public let configuration: Qwen2Configuration
  let tokens: Embedding
  let layers: [Qwen2Layer]
  let norm: RMSNorm

  /// Builds the network from parameters named as in a transformers checkpoint.
  ///
  /// - Throws: `ParameterError` for a missing parameter or a wrong shape.
  public init(
    _ configuration: Qwen2Configuration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    self.configuration = configuration
    tokens = try Embedding(
      configuration.vocabSize, configuration.hiddenSize, parameters["embed_tokens"])
    var layers: [Qwen2Layer] = []
    for index in 0..<configuration.numHiddenLayers {
      layers.append(try Qwen2Layer(configuration, parameters["layers"][index]))
    }
    self.layers = layers
    norm = try RMSNorm(
      configuration.hiddenSize, epsilon: configuration.rmsNormEps, parameters["norm"])
  }

  /// Looks up the embeddings of tokens. `-> [B, T, D]`
  ///
  /// - Parameter rows: ids in `0 ..< vocabSize`; all rows have the same length.
  public func embed(_ rows: [[Int]]) -> Tensor {
    let length = rows.first?.count ?? 0
    precondition(rows.allSatisfy { $0.count == length }, "rows of unequal length")
    return tokens(
      Tensor(rows.flatMap(\.self), shape: [rows.count, length]).to(tokens.weight.device))
  }

  /// The normalized hidden states after the last layer; attention is causal. `[B, T, D] -> [B, T,
  /// D]`
  ///
  /// - Parameter positions: positions of each token on the axes time, row and column, the same for
  ///   all rows; the three are equal for text. `[3][T]`
  public func callAsFunction(_ embeddings: Tensor, positions: [[Int]]) -> Tensor {
    precondition(
      positions.count == 3 && positions.allSatisfy { $0.count == embeddings.shape[1] },
      "every token needs three positions")
    let rotation = rotation(positions, device: embeddings.device).to(embeddings.dtype)
    var hidden = embeddings
    for layer in layers { hidden = layer(hidden, rotation) }
    return norm(hidden)
  }

  /// Every frequency belongs to one of the three axes.
  private func rotation(_ positions: [[Int]], device: Device) -> RotaryTable {
    let frequencies = RotaryTable.frequencies(
      width: configuration.headWidth, base: configuration.ropeTheta)
    let axes = configuration.ropeScaling.mropeSection.enumerated().flatMap { axis, count in
      [Int](repeating: axis, count: count)
    }
    let angles = positions[0].indices.flatMap { token in
      zip(axes, frequencies).map { axis, frequency in frequency * Float(positions[axis][token]) }
    }
    return RotaryTable(
      angles: Tensor(angles, shape: [positions[0].count, frequencies.count]).to(device))
  }
}

/// One layer: causal self-attention, then a gated feed-forward layer; each follows a norm and is
/// added to its input.
struct Qwen2Layer {
  private let attentionNorm: RMSNorm
  private let attention: Qwen2Attention
  private let linearNorm: RMSNorm
  private let gate: Linear
  private let up: Linear
  private let down: Linear

  init(
    _ configuration: Qwen2Configuration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let width = configuration.hiddenSize
    let inner = configuration.intermediateSize
    let epsilon = configuration.rmsNormEps
    attentionNorm = try RMSNorm(width, epsilon: epsilon, parameters["input_layernorm"])
    attention = try Qwen2Attention(configuration, parameters["self_attn"])
    linearNorm = try RMSNorm(width, epsilon: epsilon, parameters["post_attention_layernorm"])
    gate = try Linear(width, inner, bias: false, parameters["mlp"]["gate_proj"])
    up = try Linear(width, inner, bias: false, parameters["mlp"]["up_proj"])
    down = try Linear(inner, width, bias: false, parameters["mlp"]["down_proj"])
  }

  /// `[B, T, D] -> [B, T, D]`
  func callAsFunction(_ x: Tensor, _ rotation: RotaryTable) -> Tensor {
    let attended = x + attention(attentionNorm(x), rotation)
    let normalized = linearNorm(attended)
    return attended + down(gate(normalized).silu() * up(normalized))
  }
}

/// Grouped-query attention: keys and values have fewer heads than queries (arXiv 2305.13245).
private struct Qwen2Attention {
  let query: Linear
  let key: Linear
  let value: Linear
  let output: Linear
  let heads: Int
  let sharedHeads: Int

  init(
    _ configuration: Qwen2Configuration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let width = configuration.hiddenSize
    heads = configuration.numAttentionHeads
    sharedHeads = configuration.numKeyValueHeads
    let shared = sharedHeads * configuration.headWidth
    query = try Linear(width, width, parameters["q_proj"])
    key = try Linear(width, shared, parameters["k_proj"])
    value = try Linear(width, shared, parameters["v_proj"])
    output = try Linear(width, width, bias: false, parameters["o_proj"])
  }

  func callAsFunction(_ x: Tensor, _ rotation: RotaryTable) -> Tensor {
    let copies = heads / sharedHeads
    let attended = Tensor.scaledDotProductAttention(
      rotation(query(x).inHeads(heads)),
      rotation(key(x).inHeads(sharedHeads)).repeatInterleaved(copies, dim: 1),
      value(x).inHeads(sharedHeads).repeatInterleaved(copies, dim: 1), isCausal: true)
    return output(attended.joinedHeads())
  }
}
