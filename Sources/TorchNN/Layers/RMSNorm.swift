public import Torch

/// Divides the last dimension by its root mean square (`diffusers.models.normalization.RMSNorm`).
public struct RMSNorm {
  /// `[width]`; nil without a learned scale.
  public let weight: Tensor?
  /// Width of the normalized dimension.
  public let width: Int
  /// Added to the mean square.
  public let epsilon: Double

  /// Declares `weight` unless `affine` is false.
  ///
  /// - Throws: `ParameterError` when the source lacks it or holds another shape.
  public init(
    _ width: Int, epsilon: Double = 1e-6, affine: Bool = true, _ parameters: ParameterScope
  ) throws(ParameterError) {
    weight = affine ? try parameters.tensor("weight", width, initial: .ones) : nil
    self.width = width
    self.epsilon = epsilon
  }

  /// `[*, width]` -> the same
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.rmsNorm(shape: [width], weight: weight, eps: epsilon)
  }
}
