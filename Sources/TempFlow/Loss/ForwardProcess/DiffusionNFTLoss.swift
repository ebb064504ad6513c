import Torch

/// DiffusionNFT (arXiv 2509.16117, equation 5 and its section on adaptive weights).
///
/// Two implicit policies lie at equal distances from the old one, on the line to the new one:
///
///     v+ = beta v + (1 - beta) v_old        v- = (1 + beta) v_old - beta v
///     r  = clip(1/2 + A / (2 limit), 0, 1)
///     L  = limit / beta [r mean_D (x_0+ - x_0)^2 / m+ + (1 - r) mean_D (x_0- - x_0)^2 / m-]
///
/// x_0+ = x_t - t v+ is the data that v+ predicts, and m+ = max(mean_D |x_0+ - x_0|, 1e-5), which
/// has no gradient. The error is t (u - v+), computed as t (u - v_old - beta (v - v_old)), so that
/// no large numbers are subtracted. With e+ and e- for these errors
///
///     dL/dv = 2 t limit / D [(1 - r) e- / m- - r e+ / m+]
public struct DiffusionNFTLoss {
  /// beta > 0.
  public let beta: Double
  /// The advantage at which r reaches 1; the clip of advantages.
  public let advantageLimit: Double

  private static let smallestError = 1e-5

  /// r, the weight of the positive policy, in 0...1.
  package func weight(_ advantage: Double) -> Double {
    min(max(0.5 + advantage / (2 * advantageLimit), 0), 1)
  }

  func terms(_ batch: ForwardProcessBatch) -> ForwardProcessTerms {
    let sigma = batch.column(batch.sigmas)
    let residual = (batch.target - batch.old) * sigma
    let step = (batch.velocity - batch.old) * sigma * beta
    let (positive, negative) = (residual - step, residual + step)
    func scale(_ error: Tensor, _ weights: [Double]) -> Tensor {
      batch.column(weights) / batch.mean(error.abs()).clamped(Self.smallestError, nil)
    }
    let weights = batch.advantages.map(weight)
    let positiveScale = scale(positive, weights)
    let negativeScale = scale(negative, weights.map { 1 - $0 })
    let sum =
      batch.mean(positive.squared()) * positiveScale
      + batch.mean(negative.squared()) * negativeScale
    return ForwardProcessTerms(
      loss: sum * (advantageLimit / beta),
      gradient: (negative * negativeScale - positive * positiveScale) * sigma
        * (2 * advantageLimit))
  }
}
