import Torch
import TorchNN

/// The values that the configurations of both towers have.
protocol CLIPTowerConfiguration {
  var hiddenSize: Int { get }
  var intermediateSize: Int { get }
  var numAttentionHeads: Int { get }
  var hiddenAct: CLIPTextConfiguration.Activation { get }
  var layerNormEps: Double { get }
}

/// One layer of a tower (transformers' `CLIPEncoderLayer`): attention, then a feed-forward layer.
struct CLIPLayer {
  private let attention: CLIPAttention
  private let attentionNorm: LayerNorm
  private let up: Linear
  private let down: Linear
  private let linearNorm: LayerNorm
  private let activation: CLIPTextConfiguration.Activation

  /// - Parameter isCausal: whether a token attends only to itself and earlier tokens, as in the
  ///   text tower.
  init(
    _ configuration: some CLIPTowerConfiguration, isCausal: Bool, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let width = configuration.hiddenSize
    let epsilon = configuration.layerNormEps
    attention = try CLIPAttention(configuration, isCausal: isCausal, parameters["self_attn"])
    attentionNorm = try LayerNorm(width, epsilon: epsilon, parameters["layer_norm1"])
    up = try Linear(width, configuration.intermediateSize, parameters["mlp"]["fc1"])
    down = try Linear(configuration.intermediateSize, width, parameters["mlp"]["fc2"])
    linearNorm = try LayerNorm(width, epsilon: epsilon, parameters["layer_norm2"])
    activation = configuration.hiddenAct
  }

  /// `[B, T, D] -> [B, T, D]`
  func callAsFunction(_ x: Tensor) -> Tensor {
    let attended = x + attention(attentionNorm(x))
    return attended + down(activation(up(linearNorm(attended))))
  }
}

extension CLIPTextConfiguration.Activation {
  func callAsFunction(_ x: Tensor) -> Tensor {
    switch self {
    case .quickGELU: x * (x * 1.702).sigmoid()
    case .gelu: x.gelu(approximate: .none)
    }
  }
}

/// Self-attention over all tokens or, if causal, over each token and those before it.
private struct CLIPAttention {
  let query: Linear
  let key: Linear
  let value: Linear
  let output: Linear
  let heads: Int
  let isCausal: Bool

  init(
    _ configuration: some CLIPTowerConfiguration, isCausal: Bool, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let width = configuration.hiddenSize
    self.isCausal = isCausal
    heads = configuration.numAttentionHeads
    key = try Linear(width, width, parameters["k_proj"])
    value = try Linear(width, width, parameters["v_proj"])
    query = try Linear(width, width, parameters["q_proj"])
    output = try Linear(width, width, parameters["out_proj"])
  }

  func callAsFunction(_ x: Tensor) -> Tensor {
    let attended = Tensor.scaledDotProductAttention(
      query(x).inHeads(heads), key(x).inHeads(heads), value(x).inHeads(heads),
      isCausal: isCausal)
    return output(attended.joinedHeads())
  }
}
