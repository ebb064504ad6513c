/// Operators over whole lists of tensors: one call for all parameters of a model.
///
/// The lists of one call have equal lengths and matching shapes.
public enum TensorList {
  /// The Euclidean norm of each tensor.
  public static func norms(_ tensors: [Tensor]) -> [Tensor] {
    Operator.foreachNorm.list(capacity: tensors.count, .tensors(tensors), 2, nil)
  }
  public static func multiply_(_ tensors: [Tensor], by factor: Tensor) {
    Operator.foreachMultiplyInPlace.run(.tensors(tensors), .tensor(factor))
  }
  public static func multiply_(_ tensors: [Tensor], by factor: Double) {
    Operator.foreachMultiplyScalarInPlace.run(.tensors(tensors), .double(factor))
  }
  public static func add_(_ tensors: [Tensor], _ others: [Tensor], scale: Double = 1) {
    Operator.foreachAddInPlace.run(.tensors(tensors), .tensors(others), .double(scale))
  }
  /// Adds gradients to those of the leaves. A leaf without a gradient takes its addend itself.
  package static func addGradients(_ gradients: [Tensor?], to leaves: [Tensor]) {
    var (sums, added): ([Tensor], [Tensor]) = ([], [])
    for (leaf, gradient) in zip(leaves, gradients) {
      guard let gradient else { continue }
      if let sum = leaf.gradient {
        sums.append(sum)
        added.append(gradient)
      } else {
        leaf.gradient = gradient
      }
    }
    guard !sums.isEmpty else { return }
    withoutGradient { add_(sums, added) }
  }
  /// `tensors += weight (ends - tensors)`
  public static func lerp_(_ tensors: [Tensor], _ ends: [Tensor], weight: Double) {
    Operator.foreachLerpInPlace.run(.tensors(tensors), .tensors(ends), .double(weight))
  }
  public static func copy_(_ tensors: [Tensor], _ sources: [Tensor]) {
    Operator.foreachCopyInPlace.run(.tensors(tensors), .tensors(sources), false)
  }
  public static func zero_(_ tensors: [Tensor]) {
    Operator.foreachZeroInPlace.run(.tensors(tensors))
  }

  /// The settings of one AdamW step.
  public struct AdamWStep {
    public var learningRate: Double
    public var beta1: Double
    public var beta2: Double
    public var weightDecay: Double
    public var eps: Double

    public init(
      learningRate: Double, beta1: Double, beta2: Double, weightDecay: Double, eps: Double
    ) {
      self.learningRate = learningRate
      self.beta1 = beta1
      self.beta2 = beta2
      self.weightDecay = weightDecay
      self.eps = eps
    }
  }

  /// One AdamW update of every tensor by libtorch's fused kernel.
  ///
  /// `steps` are float32 tensors with one element each: the number of this step, 1 for the first.
  public static func adamW_(
    _ tensors: [Tensor], gradients: [Tensor], averages: [Tensor], squareAverages: [Tensor],
    steps: [Tensor], _ settings: AdamWStep
  ) {
    Operator.fusedAdamWInPlace.run(
      .tensors(tensors), .tensors(gradients), .tensors(averages), .tensors(squareAverages),
      .tensors([]), .tensors(steps), .double(settings.learningRate), .double(settings.beta1),
      .double(settings.beta2), .double(settings.weightDecay), .double(settings.eps), false, false,
      nil, nil)
  }
}
