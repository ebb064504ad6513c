import Torch

/// Asking a network about samples, a batch at a time.
enum NetworkScores {
  /// Why a sample has no score whose score is no finite number.
  static let noNumber = "the network's score is no number"

  /// The scores of all samples; one that is no finite number becomes nil.
  ///
  /// - Parameter body: one score per sample of a batch.
  static func inBatches(
    _ samples: [RewardSample], of size: Int, _ body: (ArraySlice<RewardSample>) -> [Double]
  ) -> RewardScores {
    var scores: [Double] = []
    for start in stride(from: 0, to: samples.count, by: size) {
      scores += body(samples[start..<min(start + size, samples.count)])
    }
    var result = RewardScores(total: scores.map { $0.isFinite ? $0 : nil })
    for (index, score) in scores.enumerated() where !score.isFinite {
      result.reasons[index] = noNumber
    }
    return result
  }
}

extension Tensor {
  /// Every row divided by its length, in float32. `[B, P] -> the same`
  func unitRows() -> Tensor {
    let rows = to(.float32)
    return rows / rows.squared().sum(dims: [1], keepDim: true).sqrt()
  }
}
