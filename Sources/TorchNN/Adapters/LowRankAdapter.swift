import Torch

/// The state that all adapters of a network share: on, or off for the reference model.
final class AdapterSwitch {
  var isOn = true
}

/// The update `scale · B A x` of one linear layer.
///
/// A and B are stored, and learn, in float32; they are computed in the layer's precision, as under
/// PyTorch's autocast.
struct LowRankAdapter {
  let down: Tensor  // A: [rank, in]
  let up: Tensor  // B: [out, rank]
  let scale: Double
  let power: AdapterSwitch

  /// Adds the update to the layer's output, in place, which no derivative of a linear layer minds.
  /// `[*, in]`, `[*, out]` -> `[*, out]`
  func callAsFunction(_ input: Tensor, addedTo output: Tensor) -> Tensor {
    guard power.isOn else { return output }
    let hidden = input.linear(weight: down.to(output.dtype), bias: nil)
    output.add_(hidden.linear(weight: up.to(output.dtype), bias: nil), scale: scale)
    return output
  }
}
