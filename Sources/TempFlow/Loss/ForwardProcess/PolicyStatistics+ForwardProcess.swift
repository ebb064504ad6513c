import Torch

extension PolicyStatistics {
  /// Columns of the statistics of a forward-process loss: those of `PolicyLoss`, of which a loss
  /// without a ratio leaves some at 0, and mean_D (v - v_old)^2.
  private static let forwardColumns = PolicyLoss.columns + 1

  /// The statistics of a batch, `[B, forwardColumns]`.
  static func rows(
    of batch: ForwardProcessBatch, _ terms: ForwardProcessTerms, kl: Tensor, _ gradient: Tensor
  ) -> Tensor {
    let zero = Tensor.zeros(like: terms.loss)
    let advantages = batch.column(batch.advantages)
    func isClipped(_ sign: Tensor) -> Tensor {
      terms.ratio.map { $0.isClipped * sign.to(.float32) } ?? zero
    }
    let logarithm = terms.ratio?.logarithm ?? zero
    return Tensor.cat(
      [
        terms.loss, terms.ratio?.isClipped ?? zero, kl,
        terms.ratio.map { ($0.value - 1.0).abs() } ?? zero, logarithm.abs(),
        logarithm, logarithm.squared(),
        isClipped(advantages.isGreater(than: zero)), isClipped(advantages.isLess(than: zero)),
        gradient.squared().sum(dims: [1], keepDim: true),
        batch.mean((batch.velocity - batch.old).squared()),
      ], dim: 1)
  }

  /// - Parameter forwardRows: `[samples, forwardColumns]`, flat.
  init(
    forwardRows rows: [Float], _ objective: ForwardProcessObjective, samples: [TrainingSample],
    sampleCount: Int, steps: [Int]
  ) {
    let width = Self.forwardColumns
    let starts = samples.indices.map { $0 * width }
    self.init(
      rows: starts.flatMap { rows[$0..<$0 + PolicyLoss.columns] }, samples: samples,
      sampleCount: sampleCount, averagedCount: sampleCount, steps: steps)
    // The rollout has no log-probabilities.
    logProbabilityDeviation = [:]
    if case .diffusionNFT = objective.method {
      hasRatios = false
      ratioDeviation = [:]
    }
    let distances = starts.map { Double(rows[$0 + width - 1]) }
    if !distances.isEmpty {
      oldVelocityDistance = distances.reduce(0, +) / Double(distances.count)
    }
  }
}
