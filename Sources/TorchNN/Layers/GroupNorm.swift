public import Torch

/// Normalizes groups of channels to mean 0 and variance 1 (`torch.nn.GroupNorm`).
public struct GroupNorm {
  /// `[channels]`
  public let weight: Tensor
  /// `[channels]`
  public let bias: Tensor
  /// Number of groups; divides the number of channels.
  public let groups: Int
  /// Added to the variance.
  public let epsilon: Double

  /// Declares `weight` and `bias`.
  ///
  /// - Throws: `ParameterError` when the source lacks one or holds another shape.
  public init(
    groups: Int, _ channels: Int, epsilon: Double = 1e-5, _ parameters: ParameterScope
  ) throws(ParameterError) {
    precondition(channels % groups == 0, "\(groups) groups do not divide \(channels) channels")
    weight = try parameters.tensor("weight", channels, initial: .ones)
    bias = try parameters.tensor("bias", channels, initial: .zeros)
    self.groups = groups
    self.epsilon = epsilon
  }

  /// `[B, channels, *]` -> the same
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.groupNorm(groups: groups, weight: weight, bias: bias, eps: epsilon)
  }
}
