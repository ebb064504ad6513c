internal import CTorch

// Kernels in float32 for evaluations on the processor. Rounding differs from that of operators in the
// last place, which is nothing in float32. In half precision one rounding to the other side spreads
// through a network until rollout and training no longer compute the same policy: what replaces
// operators there (`CTorch/bfloat16.h`) replaces them for both.

extension Tensor {
  /// Whether the kernels of this file may take the place of operators: within
  /// `TorchRuntime.withSerialOperators`, where a rollout's rows are spread over threads and no
  /// operator could use several. What is compared with training's own numbers runs outside it, with
  /// training's operators.
  package var allowsKernels: Bool {
    device == .cpu && dtype == .float32 && !isRecordingGradients
      && TorchRuntime.runsSerialOperators && shape[rank - 1] % 16 == 0
  }

  /// GELU by its tanh approximation, in place; for a contiguous tensor that nobody else holds.
  package func geluTanh_() {
    precondition(isContiguous, "the kernel writes through a contiguous tensor")
    ctorch_gelu_tanh_inplace(handle)
  }

  /// `shift + layerNorm(x) (1 + scale)` over the last dimension.
  /// `[B, S, D], [B, 1, D], [B, 1, D] -> [B, S, D]`
  package func modulatedNorm(shift: Tensor, scale: Tensor, eps: Double) -> Tensor {
    let input = contiguous()
    let out = Tensor.empty(shape, dtype: dtype, device: .cpu)
    ctorch_modulated_norm(input.handle, shift.handle, scale.handle, eps, out.handle)
    withExtendedLifetime((input, shift, scale)) {}
    return out
  }

  /// `self = x + gate self`, for a contiguous tensor that nobody else holds.
  /// `[B, S, D]`: `[B, S, D]`, `[B, 1, D]`
  package func gate_(_ gate: Tensor, addedTo x: Tensor) {
    precondition(isContiguous, "the kernel writes through a contiguous tensor")
    let input = x.contiguous()
    ctorch_gate_inplace(input.handle, gate.handle, handle)
    withExtendedLifetime((input, gate)) {}
  }

  /// Attention of two streams over the tokens of both, each head's queries and keys divided by
  /// their root mean square.
  ///
  /// - Parameter keyBias: added to the logits, `[1, 1, 1, S + T]`, contiguous.
  /// - Returns: `[B, S, D]`, and `[B, T, D]` unless the second stream asks nothing.
  package static func jointAttention(
    _ first: AttentionStream, _ second: AttentionStream, heads: Int, keyBias: Tensor?, eps: Double
  ) -> (first: Tensor, second: Tensor?) {
    let shape = first.key.shape
    let streams = [first, second]
    let outputs = streams.map { stream in
      stream.query.map { Tensor.empty($0.shape, dtype: .float32, device: .cpu) }
    }
    let arguments = zip(streams, outputs).map { stream, out in
      CTorchAttentionStream(
        tokens: Int64(stream.key.shape[1]), query: stream.query?.handle, key: stream.key.handle,
        value: stream.value.handle, query_norm: stream.queryNorm?.handle,
        key_norm: stream.keyNorm?.handle, out: out?.handle)
    }
    ctorch_joint_attention(
      arguments, Int64(shape[0]), Int64(heads), Int64(shape[2] / heads),
      keyBias?.handle, eps)
    withExtendedLifetime((first, second, outputs, keyBias)) {}
    return (outputs[0]!, outputs[1])
  }
}

/// What one stream brings to a joint attention: `[B, S, D]` each, contiguous.
package struct AttentionStream {
  /// nil where the stream asks nothing.
  package let query: Tensor?
  package let key: Tensor
  package let value: Tensor
  /// Learnt scale `[D / heads]` of the queries' norm; nil without the norm.
  package let queryNorm: Tensor?
  /// The same for the keys.
  package let keyNorm: Tensor?

  package init(
    query: Tensor?, key: Tensor, value: Tensor, queryNorm: Tensor?, keyNorm: Tensor?
  ) {
    precondition(
      key.isContiguous && value.isContiguous && query?.isContiguous ?? true,
      "the kernel reads contiguous tensors")
    self.query = query
    self.key = key
    self.value = value
    self.queryNorm = queryNorm
    self.keyNorm = keyNorm
  }
}
