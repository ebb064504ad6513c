public import Torch

/// What a prompt tells the transformer. B samples, T rows of width J, pooled width P.
///
/// Pipelines without T5 put rows of zeros where T5's would be. No position is added to prompt rows,
/// so equal rows stay equal through every block; they are kept as a count and computed once.
public struct TextCondition {
  /// `[B, T, J]`
  public let rows: Tensor
  /// `[B, P]`
  public let pooled: Tensor
  /// How many rows of zeros follow, for every sample.
  public let zeroRowCount: Int

  public init(rows: Tensor, pooled: Tensor, zeroRowCount: Int) {
    precondition(rows.rank == 3 && pooled.rank == 2, "rows [B, T, J] and pooled [B, P]")
    precondition(zeroRowCount >= 0, "\(zeroRowCount) rows of zeros")
    self.rows = rows
    self.pooled = pooled
    self.zeroRowCount = zeroRowCount
  }

  /// How many samples this conditions.
  public var count: Int { pooled.shape[0] }

  /// The condition whose sample `i` is this one's sample `samples[i]`.
  public func selecting(_ samples: [Int]) -> TextCondition {
    let index = Tensor(samples, shape: [samples.count]).to(pooled.device)
    return TextCondition(
      rows: rows.indexSelect(dim: 0, index), pooled: pooled.indexSelect(dim: 0, index),
      zeroRowCount: zeroRowCount)
  }

  /// The samples of `self`, then those of `other`.
  public func joined(with other: TextCondition) -> TextCondition {
    precondition(zeroRowCount == other.zeroRowCount, "conditions with unequal rows of zeros")
    return TextCondition(
      rows: Tensor.cat([rows, other.rows], dim: 0),
      pooled: Tensor.cat([pooled, other.pooled], dim: 0), zeroRowCount: zeroRowCount)
  }
}
