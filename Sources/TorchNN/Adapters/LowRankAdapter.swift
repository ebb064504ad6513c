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
  /// `[N, in]`, `[N, out]` -> `[N, out]`
  func callAsFunction(_ input: Tensor, addedTo output: Tensor) -> Tensor {
    guard power.isOn else { return output }
    let hidden = input.linear(weight: down.to(output.dtype), bias: nil)
    // Added where the product is computed: one of its own would be written and read again. The scale
    // goes to the float32 weight, so that neither it nor its gradient is rounded once more.
    output.addmm_(hidden, (up * scale).to(output.dtype).transposed(0, 1))
    return output
  }
}
