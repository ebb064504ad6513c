import Torch
import TorchNN

/// Shifts, scales and gates of one normalization, from the conditioning vector
/// (diffusers' `AdaLayerNormZero`, `AdaLayerNormZeroSingle`, `SD35AdaLayerNormZeroX`,
/// `AdaLayerNormContinuous`).
struct Modulation {
  let linear: Linear
  let count: Int

  /// - Parameter parameters: of the linear layer.
  init(_ width: Int, parts count: Int, _ parameters: ParameterScope) throws(ParameterError) {
    self.count = count
    linear = try Linear(width, count * width, parameters)
  }

  /// `conditioning` is the vector after SiLU. `[B, D] -> count times [B, 1, D]`
  func parts(_ conditioning: Tensor) -> [Tensor] {
    linear.ofVectors(conditioning).unsqueezed(1).chunked(count, dim: 2)
  }
}

extension Linear {
  /// The layer for one vector per sample, with the same bits for a single sample as in a batch.
  ///
  /// A single row is duplicated so that it takes the same GEMM path as a batch. The path of a
  /// single row adds in another order; in half precision, rollout and training have unequal batches
  /// and would round differently. `[B, in] -> [B, out]`
  func ofVectors(_ x: Tensor) -> Tensor {
    guard x.shape[0] == 1 else { return self(x) }
    return self(x.expanded([2, x.shape[1]])).narrowed(dim: 0, start: 0, length: 1)
  }
}

/// Epsilon of layer norms and of the norms of queries and keys.
let normEpsilon = 1e-6

/// Normalizes to mean 0 and variance 1 over the last dimension, without a learned scale.
private func normalized(_ x: Tensor) -> Tensor {
  x.layerNorm(shape: [x.shape[x.rank - 1]], weight: nil, bias: nil, eps: normEpsilon)
}

/// Shift plus 1 + scale times the normalized values. `[B, S, D], [B, 1, D], [B, 1, D] -> [B, S, D]`
func modulatedNorm(_ x: Tensor, shift: Tensor, scale: Tensor) -> Tensor {
  shift.addingProduct(normalized(x), scale + 1)
}

/// `[B, S, D], [B, 1, D], [B, S, D] -> [B, S, D]`
func gated(_ x: Tensor, _ gate: Tensor, _ update: Tensor) -> Tensor {
  x.addingProduct(gate, update)
}
