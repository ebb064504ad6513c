public import Torch

/// A table of vectors looked up by number (`torch.nn.Embedding`).
public struct Embedding {
  /// `[count, width]`
  public let weight: Tensor

  /// Declares `weight`.
  ///
  /// - Throws: `ParameterError` when the source lacks it or holds another shape.
  public init(_ count: Int, _ width: Int, _ parameters: ParameterScope) throws(ParameterError) {
    weight = try parameters.tensor("weight", count, width, initial: .normal(1))
  }

  /// `[*]` of int64 in `0 ..< count` -> `[*, width]`
  public func callAsFunction(_ indices: Tensor) -> Tensor { weight.embedding(indices) }
}
