import FlowMatching
import Torch

// B: units, K: branches, D: elements of a sample. Everything is float32.

/// The loss of some units as a function of the new velocity, and its derivative, in closed form.
///
/// With the branch's noise eps, the residual of x' under a velocity v is
///
///     x' - mean(v) = b (v_rollout - v) + w eps
///
/// so that `logp_new - logp_old` needs no difference of large numbers:
///
///     shift  = b (v_old - v)                      mean_new moved by -shift
///     offset = b (v_rollout - v_old)              0 unless training defines the old policy
///     logp_new - logp_old = -P [mean_D shift (shift + 2 offset) + 2 w mean_D shift eps]
///     d logp_new / dv     = 2 P b / D (shift + offset + w eps)
struct PolicyTerms {
  /// Columns of the statistics: policy loss, clipped share, KL, max |ratio - 1|,
  /// max |logp_new - logp_rollout|, and the sums of `StepStatistics`: of logp_new - logp_old, of its
  /// square, of clipped rows with a positive and a negative advantage, and |dL/dv|^2.
  static let columns = 10

  private let objective: PolicyObjective
  /// `[B, D]`
  private let velocity, shift, offset: Tensor
  /// `[B, D]`, if there is a pull.
  private let reference: Tensor?
  /// `[B, K, D]`
  private let noise: Tensor
  /// `[B, K]`
  private let advantages: Tensor
  /// `[B, 1]`
  private let noiseScale, velocityFactor, residualFactor, weight: Tensor

  init(
    _ objective: PolicyObjective, rollout: Rollout, units: [PolicyUnit], velocity: Tensor,
    reference: Tensor?
  ) {
    let rows = units.map(rollout.row)
    let elements = rollout.noise.elementCount
    func flat(_ tensor: Tensor) -> Tensor { tensor.reshaped([units.count, elements]) }
    func column(_ value: (StepCoefficients) -> Double) -> Tensor {
      let coefficients = rollout.coefficients
      return Tensor(units.map { Float(value(coefficients[$0.record])) }, shape: [units.count, 1])
        .to(rollout.noise.device)
    }
    self.objective = objective
    self.velocity = flat(velocity)
    self.reference = reference.map { flat($0.to(.float32)) }
    noiseScale = column(\.noiseScale)
    velocityFactor = column(\.velocityFactor)
    residualFactor = column(\.residualFactor)
    let normalizer = rollout.plan.weightNormalizer
    weight = column { step in
      let weight = objective.weighting == .noiseAware ? normalizer * step.noiseScale : 1
      return objective.ratio == .guarded ? weight / -step.timeStep : weight
    }
    let sampled = flat(rollout.gather(rollout.velocities, rows))
    let old = rollout.oldPolicy.map { flat($0.velocities(of: rows, new: velocity)) } ?? sampled
    shift = (old - self.velocity) * velocityFactor
    offset = (sampled - old) * velocityFactor
    let count = rollout.plan.branchCount
    noise = rollout.noise.branches(
      units.flatMap { unit in
        (0..<count).map { (rollout.trunks[unit.trunk], rollout.steps[unit.record], $0) }
      }
    ).reshaped([units.count, count, elements])
    advantages = Tensor(
      units.flatMap { $0.advantages.map { Float($0) } }, shape: [units.count, count]
    ).to(rollout.noise.device)
  }

  /// - Parameter unitCount: the units of the whole update, skipped ones included.
  /// - Returns: dL/dv `[B, D]`, and statistics `[B, columns]`.
  func evaluate(unitCount: Int) -> (gradient: Tensor, statistics: Tensor) {
    let elements = Double(velocity.shape[1])
    let guarded = objective.ratio == .guarded
    // Both log-probabilities fall with the residual: against the old policy, and the rollout's.
    let moved = shift + offset
    let alongNoise = noise.matmul(Tensor.stack([shift, moved], dim: 2)) / elements
    func fall(_ quadratic: Tensor, _ column: Int) -> Tensor {
      let linear = noiseScale * alongNoise.selected(dim: 2, index: column) * 2
      return -(residualFactor * (quadratic.mean(dims: [1], keepDim: true) + linear))
    }
    let difference = fall(shift * (moved + offset), 0)
    let deviation = fall(moved.squared(), 1)
    let bias = residualFactor * shift.squared().mean(dims: [1], keepDim: true)
    let ratio = (guarded ? (difference + bias) * noiseScale : difference).exp()

    let scaled = -(advantages * weight)
    let unclipped = scaled * ratio
    let clipped = scaled * ratio.clamped(1 - objective.clipRange, 1 + objective.clipRange)
    let isClipped = unclipped.isLess(than: clipped).to(.float32)

    // dL/d(logp_new) of each branch, then through the residuals to the velocity.
    let outer = unclipped * (1.0 - isClipped) / Double(noise.shape[1] * unitCount)
    let residual = guarded ? offset : moved
    let pulled =
      residual * outer.sum(dims: [1], keepDim: true)
      + outer.unsqueezed(1).matmul(noise).squeezed(1) * noiseScale
    var slope = residualFactor * velocityFactor * (2 / elements)
    if guarded { slope = slope * noiseScale }
    var gradient = pulled * slope
    var divergence = Tensor.zeros(like: bias)
    if let reference {
      let distance = (velocity - reference) * velocityFactor / noiseScale
      divergence = distance.squared().mean(dims: [1], keepDim: true) / 2.0
      gradient =
        gradient + distance * velocityFactor / noiseScale
        * (objective.klWeight / (elements * Double(unitCount)))
    }
    func sum(_ rows: Tensor) -> Tensor { rows.sum(dims: [1], keepDim: true) }
    let zeros = Tensor.zeros(like: advantages)
    let statistics = Tensor.cat(
      [
        unclipped.maximum(clipped).mean(dims: [1], keepDim: true),
        isClipped.mean(dims: [1], keepDim: true), divergence,
        (ratio - 1.0).abs().amax(dims: [1], keepDim: true),
        deviation.abs().amax(dims: [1], keepDim: true),
        sum(difference), sum(difference.squared()),
        sum(isClipped * advantages.isGreater(than: zeros).to(.float32)),
        sum(isClipped * advantages.isLess(than: zeros).to(.float32)),
        sum(gradient.squared()),
      ], dim: 1)
    return (gradient, statistics)
  }
}
