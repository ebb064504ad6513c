import Torch
import TorchNN

/// Queries, keys and values of one stream, split into heads.
struct QueryKeyValue {
  let query: Linear
  let key: Linear
  let value: Linear
  let queryNorm: RMSNorm?
  let keyNorm: RMSNorm?
  let heads: Int

  /// `keys` names the projections: those of the image, or the added ones of the text.
  init(
    _ configuration: SD3TransformerConfiguration, keys: Keys, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let width = configuration.width
    heads = configuration.numAttentionHeads
    query = try Linear(width, width, parameters[keys.query])
    key = try Linear(width, width, parameters[keys.key])
    value = try Linear(width, width, parameters[keys.value])
    guard configuration.qkNorm == .rmsNorm else {
      queryNorm = nil
      keyNorm = nil
      return
    }
    let headWidth = configuration.attentionHeadDim
    queryNorm = try RMSNorm(headWidth, epsilon: normEpsilon, parameters[keys.queryNorm])
    keyNorm = try RMSNorm(headWidth, epsilon: normEpsilon, parameters[keys.keyNorm])
  }

  struct Keys {
    let query: String
    let key: String
    let value: String
    let queryNorm: String
    let keyNorm: String

    static let image = Keys(
      query: "to_q", key: "to_k", value: "to_v", queryNorm: "norm_q", keyNorm: "norm_k")
    static let text = Keys(
      query: "add_q_proj", key: "add_k_proj", value: "add_v_proj",
      queryNorm: "norm_added_q", keyNorm: "norm_added_k")
  }

  /// `[B, S, D] -> [B, S, heads, D / heads]`
  func queries(_ x: Tensor) -> Tensor { normalized(split(query(x)), queryNorm) }
  func keys(_ x: Tensor) -> Tensor { normalized(split(key(x)), keyNorm) }
  func values(_ x: Tensor) -> Tensor { split(value(x)) }

  private func split(_ x: Tensor) -> Tensor {
    let shape = x.shape
    return x.reshaped([shape[0], shape[1], heads, shape[2] / heads])
  }

  private func normalized(_ x: Tensor, _ norm: RMSNorm?) -> Tensor { norm.map { $0(x) } ?? x }
}

/// Attention over image and text together (diffusers' `JointAttnProcessor2_0`): image rows first.
struct SD3JointAttention {
  let image: QueryKeyValue
  let text: QueryKeyValue
  let imageOutput: Linear
  /// Output projection of the text; nil in the last block, whose text output is unused.
  let textOutput: Linear?

  init(
    _ configuration: SD3TransformerConfiguration, isLast: Bool, _ parameters: ParameterScope
  ) throws(ParameterError) {
    let width = configuration.width
    image = try QueryKeyValue(configuration, keys: .image, parameters)
    text = try QueryKeyValue(configuration, keys: .text, parameters)
    imageOutput = try Linear(width, width, parameters["to_out"][0])
    textOutput = isLast ? nil : try Linear(width, width, parameters["to_add_out"])
  }

  /// `keyBias` `[1, 1, 1, S + T]` is added to the logits.
  /// `[B, S, D], [B, T, D] -> the same; the second is nil in the last block`
  func callAsFunction(_ x: Tensor, _ context: Tensor, keyBias: Tensor?) -> (Tensor, Tensor?) {
    let count = x.shape[1]
    let keys = Tensor.cat([image.keys(x), text.keys(context)], dim: 1)
    let values = Tensor.cat([image.values(x), text.values(context)], dim: 1)
    guard let textOutput else {
      let attended = attention(image.queries(x), keys, values, keyBias: keyBias)
      return (imageOutput(attended), nil)
    }
    let queries = Tensor.cat([image.queries(x), text.queries(context)], dim: 1)
    let attended = attention(queries, keys, values, keyBias: keyBias)
    return (
      imageOutput(attended.narrowed(dim: 1, start: 0, length: count)),
      textOutput(attended.narrowed(dim: 1, start: count, length: context.shape[1]))
    )
  }
}

/// Attention over the image alone: the second attention of Stable Diffusion 3.5's first blocks.
struct SD3SelfAttention {
  let image: QueryKeyValue
  let output: Linear

  init(
    _ configuration: SD3TransformerConfiguration, _ parameters: ParameterScope
  ) throws(ParameterError) {
    image = try QueryKeyValue(configuration, keys: .image, parameters)
    output = try Linear(configuration.width, configuration.width, parameters["to_out"][0])
  }

  /// `[B, S, D] -> [B, S, D]`
  func callAsFunction(_ x: Tensor) -> Tensor {
    output(attention(image.queries(x), image.keys(x), image.values(x), keyBias: nil))
  }
}

/// `[B, Q, heads, d], [B, S, heads, d], [B, S, heads, d] -> [B, Q, heads * d]`
private func attention(
  _ queries: Tensor, _ keys: Tensor, _ values: Tensor, keyBias: Tensor?
) -> Tensor {
  Tensor.scaledDotProductAttention(
    queries.transposed(1, 2), keys.transposed(1, 2), values.transposed(1, 2), mask: keyBias
  ).transposed(1, 2).flattened(from: 2, to: 3)
}
