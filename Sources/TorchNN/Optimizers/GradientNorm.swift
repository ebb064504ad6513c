import Torch

/// Scales all gradients together so that their joint Euclidean norm is at most `limit`
/// (`torch.nn.utils.clip_grad_norm_`).
///
/// Parameters without a gradient are left out. If the norm is not finite, it is returned and the
/// gradients stay as they are; the caller decides whether to stop.
///
/// - Returns: the norm before scaling.
@discardableResult
public func clipGradientNorm(_ parameters: [ParameterStore.Named], limit: Double) -> Double {
  let gradients = parameters.compactMap(\.tensor.gradient)
  guard !gradients.isEmpty else { return 0 }
  return withoutGradient {
    let norm = Tensor.stack(TensorList.norms(gradients), dim: 0).norm().item()
    let factor = limit / (norm + 1e-6)
    if norm.isFinite && factor < 1 { TensorList.multiply_(gradients, by: factor) }
    return norm
  }
}
