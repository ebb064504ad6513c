public import Torch

/// A second set of values for the trainable parameters, which can take their place in the network.
///
/// Always float32, whatever the parameters' type.
public final class WeightCopy {
  private let parameters: [ParameterStore.Named]
  private let copies: [Tensor]
  private var isInUse = false

  /// A copy of the present values.
  public init(_ parameters: [ParameterStore.Named]) {
    self.parameters = parameters
    copies = parameters.map { $0.tensor.detached().to(.float32).clone() }
  }

  /// The values under their parameters' names, in order.
  public var weights: [ParameterStore.Named] {
    zip(parameters, copies).map { ($0.name, $1) }
  }

  /// Moves the values toward the parameters: `decay · copy + (1 - decay) · parameter`. With a
  /// decay of 0 they become equal.
  public func blend(decay: Double) {
    precondition(!isInUse, "a copy cannot be changed while it is in use")
    precondition((0...1).contains(decay), "a decay lies in 0 ... 1, not \(decay)")
    guard !copies.isEmpty else { return }
    withoutGradient {
      TensorList.lerp_(copies, parameters.map { $0.tensor.to(.float32) }, weight: 1 - decay)
    }
  }

  /// Runs `body` with the values as the network's parameters, then restores the parameters.
  public func inUse<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    precondition(!isInUse, "the copy is already in use")
    let kept = parameters.map { $0.tensor.detached().clone() }
    exchange(copies)
    isInUse = true
    defer {
      exchange(kept)
      isInUse = false
    }
    return try body()
  }

  private func exchange(_ values: [Tensor]) {
    guard !values.isEmpty else { return }
    withoutGradient { TensorList.copy_(parameters.map(\.tensor), values) }
  }
}

// MARK: - Checkpoints

extension WeightCopy {
  /// The values under `prefix.<name>`.
  public func state(_ prefix: String) -> [ParameterStore.Named] {
    weights.map { ("\(prefix).\($0.name)", $0.tensor) }
  }

  /// Takes the values of a saved ``state(_:)``; further tensors in `saved` are left alone.
  ///
  /// - Throws: `ParameterError.state` when a tensor is missing or misshapen; nothing is changed.
  public func restore(_ prefix: String, from saved: [String: Tensor]) throws(ParameterError) {
    try restoreAll(state(prefix), from: saved)
  }
}
