import Torch

/// The state that all adapters of a network share: on, or off for the reference model.
final class LoRASwitch {
  var isEnabled = true
}

/// The update `scale · B A x` of one linear layer.
///
/// A and B are stored and updated in float32 and computed in the layer's precision, as under
/// PyTorch's autocast.
struct LowRankAdapter {
  let down: Tensor  // A: [rank, in]
  let up: Tensor  // B: [out, rank]
  let scale: Double
  let toggle: LoRASwitch

  /// Whether the layer adds the update.
  var isEnabled: Bool { toggle.isEnabled }

  /// The update, plus the layer's bias: `[N, in]` -> `[N, out]`
  func callAsFunction(_ input: Tensor, bias: Tensor?) -> Tensor {
    let hidden = input.linear(weight: down.to(input.dtype), bias: nil)
    // The float32 weight is scaled, which saves one rounding of the output and of its gradient.
    return hidden.linear(weight: (up * scale).to(input.dtype), bias: bias)
  }
}
