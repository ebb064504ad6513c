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

  /// - Parameters:
  ///   - isNormalized: whether each head of queries and keys is divided by its root mean square.
  ///   - keys: the names of the projections: those of the image, or the added ones of the text.
  init(
    _ width: Int, heads: Int, isNormalized: Bool, keys: Keys, _ parameters: ParameterScope
  ) throws(ParameterError) {
    self.heads = heads
    query = try Linear(width, width, parameters[keys.query])
    key = try Linear(width, width, parameters[keys.key])
    value = try Linear(width, width, parameters[keys.value])
    guard isNormalized else {
      queryNorm = nil
      keyNorm = nil
      return
    }
    let headWidth = width / heads
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

/// `keyBias` is added to the logits of the keys.
/// `[B, Q, heads, d], [B, S, heads, d], [B, S, heads, d] -> [B, Q, heads * d]`
func attention(
  _ queries: Tensor, _ keys: Tensor, _ values: Tensor, keyBias: Tensor? = nil
) -> Tensor {
  Tensor.scaledDotProductAttention(
    queries.transposed(1, 2), keys.transposed(1, 2), values.transposed(1, 2), mask: keyBias
  ).transposed(1, 2).flattened(from: 2, to: 3)
}
