internal import CTorch

// Kernels in float32 for evaluations on the processor. Rounding differs from that of operators in the
// last place, which is nothing in float32. In half precision one rounding to the other side spreads
// through a network until rollout and training no longer compute the same policy: what replaces
// operators there (`CTorch/bfloat16.h`) replaces them for both.

extension Tensor {
  /// Whether the kernels of this file may take the place of operators: within
  /// `TorchRuntime.withSingleThreadedOps`, where a rollout's rows are spread over threads and no
  /// operator could use several. What is compared with training's own numbers runs outside it, with
  /// training's operators.
  package var allowsKernels: Bool {
    device == .cpu && dtype == .float32 && !isRecordingGradients
      && TorchRuntime.runsSerialOperators && shape[rank - 1] % 16 == 0
  }

  /// Whether ``modulatedNorm(shift:scale:eps:)`` may.
  package var allowsModulatedNorm: Bool {
    allowsKernels && ctorch_kernel_is_on(CTORCH_KERNEL_MODULATED_NORM)
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
}
