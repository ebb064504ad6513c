import Torch

/// The state that all adapters of a network share: on, or off for the reference model.
final class AdapterSwitch {
  var isOn = true
}

/// The update `scale · B A x` of one linear layer, in float32.
struct LowRankAdapter {
  let down: Tensor  // A: [rank, in]
  let up: Tensor  // B: [out, rank]
  let scale: Double
  let power: AdapterSwitch

  /// Adds the update to the layer's output. `[*, in]`, `[*, out]` -> `[*, out]` of `output`'s type
  ///
  /// A base in half precision is added in float32 and rounded once, as PEFT does; a float32
  /// `output` is overwritten, which no derivative of a linear layer minds.
  func callAsFunction(_ input: Tensor, addedTo output: Tensor) -> Tensor {
    guard power.isOn else { return output }
    let hidden = input.to(.float32).linear(weight: down, bias: nil)
    let update = hidden.linear(weight: up, bias: nil)
    guard output.dtype == .float32 else {
      return output.adding(update, scale: scale).to(output.dtype)
    }
    output.add_(update, scale: scale)
    return output
  }
}
