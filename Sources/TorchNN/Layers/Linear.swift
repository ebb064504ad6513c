public import Torch

/// `y = x Wᵀ + b` (`torch.nn.Linear`), plus a low-rank update where the store adapts this path.
public struct Linear {
  /// `[out, in]`
  public let weight: Tensor
  /// `[out]`
  public let bias: Tensor?
  let adapter: LowRankAdapter?
  /// Whether weight and bias are views into slots, whose values change with the block that runs.
  package let isMoved: Bool

  /// Declares `weight`, `bias` and, where planned, `lora_A.weight` and `lora_B.weight`.
  ///
  /// - Throws: `ParameterError` when the source lacks one or holds another shape.
  public init(
    _ inputs: Int, _ outputs: Int, bias hasBias: Bool = true, _ parameters: ParameterScope
  ) throws(ParameterError) {
    weight = try parameters.matrix("weight", outputs, inputs)
    bias = hasBias ? try parameters.tensor("bias", outputs, initial: .fanIn(inputs)) : nil
    adapter = try parameters.adapter(inputs, outputs)
    isMoved = parameters.isMoved
  }

  /// Whether the layer has trainable parameters or an adapter.
  public var isTrainable: Bool {
    weight.requiresGradient || bias?.requiresGradient ?? false || adapter != nil
  }

  /// Whether a low-rank update is added to its output.
  package var hasAdapter: Bool { adapter != nil }

  /// `[*, in]` -> `[*, out]`
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let shape = x.shape
    let width = shape[x.rank - 1]
    guard width == weight.shape[1], (1..<Tensor.fewestRows).contains(x.count / width)
    else { return product(x) }
    return x.reshaped([-1, width]).filled(to: Tensor.fewestRows, product)
      .reshaped(shape.dropLast() + [weight.shape[0]])
  }

  private func product(_ x: Tensor) -> Tensor {
    guard let adapter else { return x.linear(weight: weight, bias: bias) }
    let shape = x.shape
    let rows = x.reshaped([-1, shape[x.rank - 1]])
    // `addmm_` adds the large product to the small one and rounds the sum once. With the adapter
    // off the same operator runs, so that a new adapter, whose product is 0, gives the same bits.
    let result =
      adapter.isEnabled ? adapter(rows, bias: bias) : start(rows.shape[0], like: rows)
    result.addmm_(rows, weight.transposed(0, 1))
    return result.reshaped(shape.dropLast() + [weight.shape[0]])
  }

  /// The bias, or 0, in every row: `[N, out]`.
  private func start(_ count: Int, like rows: Tensor) -> Tensor {
    let shape = [count, weight.shape[0]]
    guard let bias else { return Tensor.zeros(shape, dtype: rows.dtype, device: rows.device) }
    return bias.expanded(shape).clone()
  }
}
