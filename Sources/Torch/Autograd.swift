internal import CTorch

/// Whether operators are recorded for a backward pass, on this thread.
public var isRecordingGradients: Bool { ctorch_grad_enabled() }

/// Runs `body` without recording a backward graph.
///
/// Gradient mode is a property of the *thread*. `body` is synchronous so that no suspension point
/// can separate setting the mode from restoring it; an `async` overload would allow one.
public func withoutGradient<Result, Failure: Error>(
  _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
  try withGradientMode(false, body)
}

/// Runs `body` with recording, even inside `withoutGradient`.
public func withGradient<Result, Failure: Error>(
  _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
  try withGradientMode(true, body)
}

private func withGradientMode<Result, Failure: Error>(
  _ enabled: Bool, _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
  let previous = ctorch_grad_enabled()
  ctorch_set_grad_enabled(enabled)
  defer { ctorch_set_grad_enabled(previous) }
  return try body()
}

extension Tensor {
  /// Whether operators on this tensor are recorded for the backward pass.
  public var requiresGradient: Bool {
    get { ctorch_requires_grad(handle) }
    set {
      guard ctorch_set_requires_grad(handle, newValue) else { failed("setting a gradient") }
    }
  }

  /// The gradient that backward passes have accumulated in this leaf; nil before the first.
  public var gradient: Tensor? {
    get { ctorch_grad(handle).map(Tensor.init(owning:)) }
    set {
      guard ctorch_set_grad(handle, newValue?.handle) else { failed("setting a gradient") }
    }
  }

  /// Accumulates `gradientᵀ · d self / d leaf` into every leaf of this tensor's graph.
  ///
  /// `gradient` has this tensor's shape; nil means 1 for a tensor with a single element.
  public func backward(gradient: Tensor? = nil, retainGraph: Bool = false) {
    var output: OpaquePointer? = handle
    var seed = gradient?.handle
    let succeeded = withExtendedLifetime(gradient) {
      ctorch_backward(&output, &seed, 1, retainGraph)
    }
    guard succeeded else { failed("backward") }
  }

  /// Accumulates `gradientsᵀ · d outputs / d leaf` into every leaf of the outputs' graphs, in one
  /// pass; nothing for no outputs.
  ///
  /// - Parameters:
  ///   - outputs: tensors with a graph.
  ///   - gradients: one per output, of its shape.
  public static func backward(_ outputs: [Tensor], gradients: [Tensor]) {
    precondition(
      outputs.count == gradients.count, "\(gradients.count) gradients for \(outputs.count) outputs")
    guard !outputs.isEmpty else { return }
    let succeeded = withExtendedLifetime((outputs, gradients)) {
      let outputHandles: [OpaquePointer?] = outputs.map(\.handle)
      let seedHandles: [OpaquePointer?] = gradients.map(\.handle)
      return ctorch_backward(outputHandles, seedHandles, Int32(outputs.count), false)
    }
    guard succeeded else { failed("backward") }
  }

  /// The vector-Jacobian products of `outputs` with respect to `inputs`; every `gradient` stays as
  /// it is.
  ///
  /// An entry is nil where the input does not reach an output. `outputGradients` may hold nil for
  /// outputs with a single element.
  public static func gradients(
    of outputs: [Tensor], withRespectTo inputs: [Tensor], outputGradients: [Tensor?]? = nil,
    retainGraph: Bool = false
  ) -> [Tensor?] {
    let seeds = outputGradients ?? Array(repeating: nil, count: outputs.count)
    precondition(
      seeds.count == outputs.count, "\(seeds.count) gradients for \(outputs.count) outputs")
    var results = [OpaquePointer?](repeating: nil, count: inputs.count)
    let succeeded = withExtendedLifetime((outputs, inputs, seeds)) {
      let outputHandles: [OpaquePointer?] = outputs.map(\.handle)
      let seedHandles: [OpaquePointer?] = seeds.map { $0?.handle }
      let inputHandles: [OpaquePointer?] = inputs.map(\.handle)
      return ctorch_gradients(
        outputHandles, seedHandles, Int32(outputs.count), inputHandles, &results,
        Int32(inputs.count), retainGraph)
    }
    guard succeeded else { failed("gradients") }
    return results.map { $0.map(Tensor.init(owning:)) }
  }
}
