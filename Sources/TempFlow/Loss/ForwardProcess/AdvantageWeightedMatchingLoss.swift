import Torch

/// Advantage Weighted Matching (arXiv 2509.25050): PPO's loss with the loss of flow matching as the
/// log-probability of a sample.
///
///     logp(x_0; t, eps) = -w(t) mean_D (v - u)^2
///     L = max(-A r, -A clip(r, 1 - low, 1 + high)),  r = exp(logp_new - logp_old)
///
/// With d = v - v_old, `logp_new - logp_old = -w mean_D d (d + 2 (v_old - u))`, which subtracts no
/// large numbers, and `d logp_new / dv = -2 w (v - u) / D`.
public struct AdvantageWeightedMatchingLoss {
  /// The range of the ratio.
  public let clipRange: ClipRange
  /// w(t).
  public let timeWeight: ForwardProcessObjective.TimeWeight

  func terms(_ batch: ForwardProcessBatch) -> ForwardProcessTerms {
    let weight = batch.column(batch.sigmas.map(timeWeight.value))
    let step = batch.velocity - batch.old
    let offset = batch.old - batch.target
    let logRatio = -(weight * batch.mean(step * (step + offset * 2)))
    let ratio = logRatio.exp()
    let scaled = -batch.column(batch.advantages)
    let unclipped = scaled * ratio
    let clipped = scaled * ratio.clamped(clipRange.ratios.lowerBound, clipRange.ratios.upperBound)
    let isClipped = unclipped.isLess(than: clipped).to(.float32)
    let outer = unclipped * (1.0 - isClipped) * weight * -2
    return ForwardProcessTerms(
      loss: unclipped.maximum(clipped), gradient: (step + offset) * outer,
      ratio: (logRatio, ratio, isClipped))
  }
}
