public import Torch

/// Normalizes the last dimension to mean 0 and variance 1 (`torch.nn.LayerNorm`).
public struct LayerNorm {
  /// `[width]`; nil without a learned scale (`elementwise_affine=False`).
  public let weight: Tensor?
  /// `[width]`; nil without a learned scale.
  public let bias: Tensor?
  /// Width of the normalized dimension.
  public let width: Int
  /// Added to the variance.
  public let epsilon: Double

  /// Declares `weight` and `bias` unless `affine` is false.
  ///
  /// - Throws: `ParameterError` when the source lacks one or holds another shape.
  public init(
    _ width: Int, epsilon: Double = 1e-5, affine: Bool = true, _ parameters: ParameterScope
  ) throws(ParameterError) {
    weight = affine ? try parameters.tensor("weight", width, initial: .ones) : nil
    bias = affine ? try parameters.tensor("bias", width, initial: .zeros) : nil
    self.width = width
    self.epsilon = epsilon
  }

  /// `[*, width]` -> the same
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.layerNorm(shape: [width], weight: weight, bias: bias, eps: epsilon)
  }
}
