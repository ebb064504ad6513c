import FlowMatching
import Torch

// B: samples, K: branches, D: elements of a sample. Everything is float32.

/// The loss of training samples as a function of the new velocity, and its derivative.
///
/// With the branch's noise eps, the residual of x' under a velocity v is
///
///     x' - mean(v) = b (v_rollout - v) + w eps
///
/// so `logp_new - logp_old` is computed without subtracting large numbers:
///
///     shift  = b (v_old - v)                      mean_new moved by -shift
///     offset = b (v_rollout - v_old)              0 if the rollout defines the old policy
///     logp_new - logp_old = -P [mean_D shift (shift + 2 offset) + 2 w mean_D shift eps]
///     d logp_new / dv     = 2 P b / D (shift + offset + w eps)
///
/// Without the bias `P mean_D shift^2`, as in centered ratios, `shift` drops out of the derivative.
struct PolicyLoss {
  /// Columns of the statistics: policy loss, clipped share, KL, max |ratio - 1|, max |logp_new -
  /// logp_rollout|, and the sums of `StepStatistics`: of logp_new - logp_old, of its square, of
  /// clipped rows with a positive and a negative advantage, and |dL/dv|^2.
  static let columns = 10

  private let objective: PolicyObjective
  /// `[B, D]`
  private let velocity, shift, offset: Tensor
  /// `[B, D]`, if there is a KL term.
  private let reference: Tensor?
  /// `[B, K, D]`
  private let noise: Tensor
  /// `[B, K]`
  private let advantages: Tensor
  /// `[B, 1]`
  private let stdDev, velocityFactor, residualFactor: Tensor
  /// `[B, 1]`: factors of the policy term, its log-ratio, its derivative and the KL term.
  private let weight, logRatioFactor, gradientFactor, klWeight: Tensor

  init(
    _ objective: PolicyObjective, rollout: Rollout, samples: [TrainingSample], velocity: Tensor,
    reference: Tensor?
  ) {
    let rows = samples.map(rollout.row)
    let elements = rollout.noise.elementCount
    func flat(_ tensor: Tensor) -> Tensor { tensor.reshaped([samples.count, elements]) }
    func column<Step>(_ steps: [Step], _ value: (Step) -> Double) -> Tensor {
      Tensor(samples.map { Float(value(steps[$0.stepIndex])) }, shape: [samples.count, 1])
        .to(rollout.noise.device)
    }
    let coefficients = rollout.coefficients
    let factors = objective.factors(of: rollout.steps, in: rollout.plan)
    self.objective = objective
    self.velocity = flat(velocity)
    self.reference = reference.map { flat($0.to(.float32)) }
    stdDev = column(coefficients, \.stdDev)
    velocityFactor = column(coefficients, \.velocityFactor)
    residualFactor = column(coefficients, \.residualFactor)
    weight = column(factors, \.weight)
    logRatioFactor = column(factors, \.logRatio)
    gradientFactor = column(factors, \.gradientFactor)
    klWeight = column(factors, \.kl)
    let sampled = flat(rollout.gather(rollout.velocities, rows))
    let old = rollout.oldPolicy.map { flat($0.velocities(of: rows, new: velocity)) } ?? sampled
    shift = (old - self.velocity) * velocityFactor
    offset = (sampled - old) * velocityFactor
    let count = rollout.plan.branchCount
    noise = rollout.noise.branches(
      samples.flatMap { sample in
        (0..<count).map { (rollout.trunks[sample.trunk], rollout.steps[sample.stepIndex], $0) }
      }
    ).reshaped([samples.count, count, elements])
    advantages = Tensor(
      samples.flatMap { $0.advantages.map { Float($0) } }, shape: [samples.count, count]
    ).to(rollout.noise.device)
  }

  /// - Parameter sampleCount: the samples that the loss of the whole update is a mean over.
  /// - Returns: dL/dv `[B, D]`, and statistics `[B, columns]`.
  func evaluate(sampleCount: Int) -> (gradient: Tensor, statistics: Tensor) {
    let elements = Double(velocity.shape[1])
    let isCentered = objective.ratio != .plain
    // The log-ratios to the old policy and to the rollout's; both decrease with the residual.
    let total = shift + offset
    let alongNoise = noise.matmul(Tensor.stack([shift, total], dim: 2)) / elements
    func logRatio(_ quadratic: Tensor, _ column: Int) -> Tensor {
      let linear = stdDev * alongNoise.selected(dim: 2, index: column) * 2
      return -(residualFactor * (quadratic.mean(dims: [1], keepDim: true) + linear))
    }
    let difference = logRatio(shift * (total + offset), 0)
    let deviation = logRatio(total.squared(), 1)
    let bias = residualFactor * shift.squared().mean(dims: [1], keepDim: true)
    let ratio = (isCentered ? (difference + bias) * logRatioFactor : difference).exp()

    let scaled = -(advantages * weight)
    let unclipped = scaled * ratio
    let range = objective.clipRange.ratios
    let clipped = scaled * ratio.clamped(range.lowerBound, range.upperBound)
    let isClipped = unclipped.isLess(than: clipped).to(.float32)

    // dL/d(logp_new) of each branch, then through the residuals to the velocity.
    let outer =
      -(advantages * gradientFactor) * ratio * (1.0 - isClipped)
      / Double(noise.shape[1] * sampleCount)
    let residual = isCentered ? offset : total
    let weightedResidual =
      residual * outer.sum(dims: [1], keepDim: true)
      + outer.unsqueezed(1).matmul(noise).squeezed(1) * stdDev
    var gradient = weightedResidual * (residualFactor * velocityFactor * (2 / elements))
    var kl = Tensor.zeros(like: bias)
    if let reference {
      let penalty = klPenalty(against: reference)
      kl = penalty.value
      let beta = objective.klBeta / (elements * Double(sampleCount))
      gradient = gradient + penalty.gradient * klWeight * beta
    }
    func sum(_ rows: Tensor) -> Tensor { rows.sum(dims: [1], keepDim: true) }
    let zeros = Tensor.zeros(like: advantages)
    let statistics = Tensor.cat(
      [
        unclipped.maximum(clipped).mean(dims: [1], keepDim: true),
        isClipped.mean(dims: [1], keepDim: true), kl,
        (ratio - 1.0).abs().amax(dims: [1], keepDim: true),
        deviation.abs().amax(dims: [1], keepDim: true),
        sum(difference), sum(difference.squared()),
        sum(isClipped * advantages.isGreater(than: zeros).to(.float32)),
        sum(isClipped * advantages.isLess(than: zeros).to(.float32)),
        sum(gradient.squared()),
      ], dim: 1)
    return (gradient, statistics)
  }

  /// The distance to the reference model, `mean_D (mean - mean_ref)^2 / (2 w^2)` or
  /// `mean_D (v - v_ref)^2`: `[B, 1]`, and D times its derivative with respect to the velocity:
  /// `[B, D]`.
  private func klPenalty(against reference: Tensor) -> (value: Tensor, gradient: Tensor) {
    let difference = velocity - reference
    func meanSquare(_ x: Tensor) -> Tensor { x.squared().mean(dims: [1], keepDim: true) }
    switch objective.klSpace {
    case .mean:
      let distance = difference * velocityFactor / stdDev
      return (meanSquare(distance) / 2.0, distance * velocityFactor / stdDev)
    case .velocity:
      return (meanSquare(difference), difference * 2.0)
    }
  }
}
