public import Torch

/// AdamW with decoupled weight decay (arXiv 1711.05101), equal to `torch.optim.AdamW`.
///
/// One step is two libtorch calls for any number of parameters. State and parameters are float32:
/// updates of relative size 1e-3 are lost in half precision.
public final class AdamW {
  /// The settings of the optimizer; those of the method's paper by default.
  public struct Configuration: Equatable, Sendable {
    /// Step size; can be changed between steps.
    public var learningRate: Double
    /// Decay of the mean of gradients, in 0 ..< 1.
    public var beta1: Double
    /// Decay of the mean of squared gradients, in 0 ..< 1.
    public var beta2: Double
    /// Share of `learningRate` by which a parameter shrinks in each step.
    public var weightDecay: Double
    /// Added to the denominator.
    public var epsilon: Double

    /// Settings; the defaults are the paper's values.
    public init(
      learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999,
      weightDecay: Double = 1e-4, epsilon: Double = 1e-8
    ) {
      self.learningRate = learningRate
      self.beta1 = beta1
      self.beta2 = beta2
      self.weightDecay = weightDecay
      self.epsilon = epsilon
    }
  }

  private struct Slot {
    let name: String
    let parameter: Tensor
    let mean: Tensor  // exp_avg
    let meanSquare: Tensor  // exp_avg_sq
    let step: Tensor  // [], float32
  }

  /// The settings; assign to `learningRate` for a schedule.
  public var configuration: Configuration
  private let slots: [Slot]

  /// An optimizer over `parameters`, in this order, with a state of zeros.
  public init(_ parameters: [ParameterStore.Named], _ configuration: Configuration) {
    self.configuration = configuration
    slots = parameters.map { name, parameter in
      precondition(parameter.dtype == .float32, "'\(name)' is trained, so it must be float32")
      return Slot(
        name: name, parameter: parameter,
        mean: Tensor.zeros(parameter.shape, device: parameter.device),
        meanSquare: Tensor.zeros(parameter.shape, device: parameter.device),
        step: Tensor.zeros([], device: parameter.device))
    }
  }

  /// Updates every parameter that has a gradient; the others stay as they are.
  public func step() {
    let active = slots.compactMap { slot in slot.parameter.gradient.map { (slot, $0) } }
    guard !active.isEmpty else { return }
    withoutGradient {
      let steps = active.map(\.0.step)
      let ones = [Tensor](repeating: .ones([], device: steps[0].device), count: steps.count)
      TensorList.add_(steps, ones)
      TensorList.adamW_(
        active.map(\.0.parameter), gradients: active.map(\.1), averages: active.map(\.0.mean),
        squareAverages: active.map(\.0.meanSquare), steps: steps,
        .init(
          learningRate: configuration.learningRate, beta1: configuration.beta1,
          beta2: configuration.beta2, weightDecay: configuration.weightDecay,
          eps: configuration.epsilon))
    }
  }

  /// Sets all gradients to nil.
  public func zeroGradients() {
    for slot in slots { slot.parameter.gradient = nil }
  }
}

// MARK: - Checkpoints

extension AdamW {
  /// The optimizer's state: per parameter, in order, `exp_avg.<name>`,
  /// `exp_avg_sq.<name>` (both of the parameter's shape) and `step.<name>` (`[]`).
  public var state: [ParameterStore.Named] {
    slots.flatMap { slot in
      [
        ("exp_avg.\(slot.name)", slot.mean), ("exp_avg_sq.\(slot.name)", slot.meanSquare),
        ("step.\(slot.name)", slot.step),
      ]
    }
  }

  /// Continues from a saved `state`; further tensors in `saved` are left alone.
  ///
  /// - Throws: `ParameterError.state` when a tensor is missing or misshapen; nothing is changed.
  public func restore(_ saved: [String: Tensor]) throws(ParameterError) {
    try restoreAll(state, from: saved)
  }
}
