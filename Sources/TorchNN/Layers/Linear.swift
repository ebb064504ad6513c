public import Torch

/// `y = x Wᵀ + b` (`torch.nn.Linear`), plus a low-rank update where the store adapts this path.
public struct Linear {
  /// `[out, in]`
  public let weight: Tensor
  /// `[out]`
  public let bias: Tensor?
  let adapter: LowRankAdapter?

  /// Declares `weight`, `bias` and, where planned, `lora_A.weight` and `lora_B.weight`.
  ///
  /// - Throws: `ParameterError` when the source lacks one or holds another shape.
  public init(
    _ inputs: Int, _ outputs: Int, bias hasBias: Bool = true, _ parameters: ParameterScope
  ) throws(ParameterError) {
    weight = try parameters.tensor("weight", outputs, inputs, initial: .fanIn(inputs))
    bias = hasBias ? try parameters.tensor("bias", outputs, initial: .fanIn(inputs)) : nil
    adapter = try parameters.adapter(inputs, outputs)
  }

  /// Whether what it computes may change: its own parameters learn, or an adapter sits beside it.
  public var learns: Bool {
    weight.requiresGradient || bias?.requiresGradient ?? false || adapter != nil
  }

  /// `[*, in]` -> `[*, out]`
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let y = x.linear(weight: weight, bias: bias)
    guard let adapter else { return y }
    return adapter(x, addedTo: y)
  }
}
