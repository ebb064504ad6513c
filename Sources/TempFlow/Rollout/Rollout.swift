public import FlowMatching
public import Torch

// T: trunks, R: trained steps of this epoch, K: branches, D: elements of a sample.

/// What one epoch's rollout leaves for training.
///
/// A (trunk, step) is stored once however many branches left it: the latents, the velocity and
/// the branches' seeds, from which every branch's next latents follow.
public struct Rollout {
  /// What was computed.
  public let plan: RolloutPlan
  /// The trunks, in the order of the storage; velocity fields see indices into this list.
  public let trunks: [TrunkID]
  /// Where the noise came from.
  public let noise: NoiseSource
  /// The trained steps of this epoch, ascending.
  public let steps: [Int]
  /// x_i of every (step, trunk): `[R, T, …]` float32.
  public let latents: Tensor
  /// v_i of every (step, trunk) at rollout time: `[R, T, …]` float32.
  public let velocities: Tensor
  /// log p(x_{i+1} | x_i) of every branch at rollout time: `[R, T, K]` float32.
  public let logProbabilities: Tensor
  /// The velocities that define the old policy in the ratio, if not ``velocities``:
  /// `[R, T, …]` float32. See ``recomputeOldVelocities(field:)``.
  public internal(set) var oldVelocities: Tensor?

  /// Coefficients of the trained steps, in the order of ``steps``.
  public var coefficients: [StepCoefficients] {
    steps.map { plan.schedule.step($0, plan.dynamics) }
  }

  /// Evaluates the old policy again with the network as training runs it, in training's batches.
  ///
  /// The remedy when rollout and training disagree (precision, kernels that depend on the batch,
  /// dropout): ratios of the first update are then 1 by construction. Costs one evaluation per
  /// (trunk, step); call it before the epoch's first update.
  public mutating func recomputeOldVelocities(field: VelocityField) {
    let rows = (0..<steps.count * trunks.count).map { $0 }
    let parts = microBatches(of: rows.count, limit: plan.microBatch).map { range in
      withoutGradient {
        let (latents, sigma, owners) = inputs(of: Array(rows[range]))
        return field(latents, sigma, owners).to(.float32)
      }
    }
    oldVelocities = Tensor.cat(parts, dim: 0).reshaped(velocities.shape)
  }

  /// x_{i+1} of one branch, from the stored state and the branch's seed: `[1, …]` float32.
  public func branchLatents(trunk: Int, step: Int, branch: Int) -> Tensor {
    guard let record = steps.firstIndex(of: step) else {
      preconditionFailure("step \(step) was not trained in this epoch")
    }
    let eps = noise.branches([(trunks[trunk], step, branch)])
    return coefficients[record].stochastic(
      latents.selected(dim: 0, index: record).narrowed(dim: 0, start: trunk, length: 1),
      velocity: velocities.selected(dim: 0, index: record)
        .narrowed(dim: 0, start: trunk, length: 1), noise: eps)
  }

  /// The rows (flat indices `record * T + trunk`) as a velocity field wants them:
  /// `[B, …]`, sigma `[B]`, B trunk indices.
  func inputs(of rows: [Int]) -> (latents: Tensor, sigma: Tensor, trunks: [Int]) {
    let coefficients = coefficients
    let sigmas = rows.map { Float(coefficients[$0 / trunks.count].sigma) }
    return (
      gather(latents, rows), Tensor(sigmas, shape: [rows.count]).to(noise.device),
      rows.map { $0 % trunks.count }
    )
  }

  /// Rows of a `[R, T, …]` tensor by flat index: `[B, …]`.
  func gather(_ stored: Tensor, _ rows: [Int]) -> Tensor {
    stored.flattened(from: 0, to: 1)
      .indexSelect(dim: 0, Tensor(rows, shape: [rows.count]).to(noise.device))
  }
}

/// Cuts `count` rows into as few nearly equal ranges of at most `limit` as possible.
func microBatches(of count: Int, limit: Int) -> [Range<Int>] {
  precondition(limit >= 1, "a micro-batch holds at least one row")
  guard count > 0 else { return [] }
  let parts = (count - 1) / limit + 1
  return (0..<parts).map { (count * $0 / parts)..<(count * ($0 + 1) / parts) }
}
