import Torch
import TorchNN

/// One block of the encoder: self-attention over all tokens, then a gated feed-forward layer; each
/// follows a norm and is added to its input.
///
/// B prompts of T tokens, width D.
struct T5Block {
  private let attentionNorm: T5Norm
  private let attention: T5Attention
  private let linearNorm: T5Norm
  private let feedForward: T5FeedForward

  init(_ configuration: T5Configuration, _ parameters: ParameterScope) throws(ParameterError) {
    let first = parameters["layer"][0]
    let second = parameters["layer"][1]
    attention = try T5Attention(configuration, first["SelfAttention"])
    attentionNorm = try T5Norm(configuration, first["layer_norm"])
    feedForward = try T5FeedForward(configuration, second["DenseReluDense"])
    linearNorm = try T5Norm(configuration, second["layer_norm"])
  }

  /// `[B, T, D] -> [B, T, D]`
  ///
  /// - Parameter bias: relative position bias, added to the attention scores. `[1, heads, T, T]`
  func callAsFunction(_ x: Tensor, bias: Tensor) -> Tensor {
    let attended = x + attention(attentionNorm(x), bias: bias)
    return attended + feedForward(linearNorm(attended))
  }
}

/// Divides each token by its root mean square (transformers' `T5LayerNorm`).
///
/// The mean square is computed in float32; the quotient is rounded to the weight's precision before
/// it is scaled, as upstream.
struct T5Norm {
  /// `[D]`
  private let weight: Tensor
  private let epsilon: Double

  init(_ configuration: T5Configuration, _ parameters: ParameterScope) throws(ParameterError) {
    weight = try parameters.tensor("weight", configuration.dModel, initial: .ones)
    epsilon = configuration.layerNormEpsilon
  }

  /// `[*, D] -> [*, D]`, in the weight's precision
  func callAsFunction(_ x: Tensor) -> Tensor {
    let full = x.to(.float32)
    let scale = (full.squared().mean(dims: [-1], keepDim: true) + epsilon).rsqrt()
    return (full * scale).to(weight.dtype) * weight
  }
}

/// Attention with unscaled scores and a relative position bias.
private struct T5Attention {
  let query: Linear
  let key: Linear
  let value: Linear
  let output: Linear
  let heads: Int

  init(_ configuration: T5Configuration, _ parameters: ParameterScope) throws(ParameterError) {
    let width = configuration.dModel
    heads = configuration.numHeads
    let inner = heads * configuration.dKv
    query = try Linear(width, inner, bias: false, parameters["q"])
    key = try Linear(width, inner, bias: false, parameters["k"])
    value = try Linear(width, inner, bias: false, parameters["v"])
    output = try Linear(inner, width, bias: false, parameters["o"])
  }

  func callAsFunction(_ x: Tensor, bias: Tensor) -> Tensor {
    let attended = Tensor.scaledDotProductAttention(
      query(x).inHeads(heads), key(x).inHeads(heads), value(x).inHeads(heads),
      mask: bias, scale: 1)
    return output(attended.joinedHeads())
  }
}

/// `(gelu(x W0ᵀ) * x W1ᵀ) Wᵀ` with the tanh approximation (arXiv 2002.05202).
private struct T5FeedForward {
  let gate: Linear
  let up: Linear
  let down: Linear

  init(_ configuration: T5Configuration, _ parameters: ParameterScope) throws(ParameterError) {
    let (width, inner) = (configuration.dModel, configuration.dFf)
    gate = try Linear(width, inner, bias: false, parameters["wi_0"])
    up = try Linear(width, inner, bias: false, parameters["wi_1"])
    down = try Linear(inner, width, bias: false, parameters["wo"])
  }

  /// In float16 the last product is computed in float32, which makes the residual sum and
  /// everything after it float32 as well: float16 ends at 65504, which real prompts exceed.
  /// transformers keeps a float32 copy of that weight (`_keep_in_fp32_modules`); here it is widened
  /// on use, which is equivalent for files in float16. Upstream's clamp of float16 sums, which can
  /// only affect the first block's attention, is omitted.
  func callAsFunction(_ x: Tensor) -> Tensor {
    let inner = gate(x).gelu(approximate: .tanh) * up(x)
    guard inner.dtype == .float16 else { return down(inner) }
    return inner.to(.float32).linear(weight: down.weight.to(.float32), bias: nil)
  }
}
