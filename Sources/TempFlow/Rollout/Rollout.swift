public import FlowMatching
public import Torch

// T: trunks, R: trained steps of this epoch, K: branches, D: elements of a sample.

/// The data of one epoch's rollout for training.
///
/// A (trunk, step) is stored once for all its branches: the latents and the velocity. With the
/// noise from the branches' seeds they determine the next latents of every branch.
public struct Rollout {
  /// The plan of the rollout.
  public let plan: RolloutPlan
  /// The trunks in the order of storage; trunk indices are indices into this list.
  public let trunks: [TrunkID]
  /// The source of the noise.
  public let noise: NoiseSource
  /// The trained steps of this epoch, ascending.
  public let steps: [Int]
  /// x_i of every (step, trunk): `[R, T, …]` float32.
  public let latents: Tensor
  /// v_i of every (step, trunk) at rollout time: `[R, T, …]` float32.
  public let velocities: Tensor
  /// The velocities of the old policy in the ratio; nil if they are ``velocities``.
  var oldPolicy: OldPolicy?

  /// Coefficients of the trained steps, in the order of ``steps``.
  public var coefficients: [StepCoefficients] {
    steps.map { plan.schedule.step($0, plan.dynamics) }
  }

  /// Makes the forward passes of training define the old policy, instead of the rollout's.
  ///
  /// Use it when rollout and training compute different log-probabilities (precision, kernels that
  /// depend on the batch, dropout). The first update uses its own forward pass, so its ratios are 1
  /// by construction and need no extra evaluation. The samples of later updates are evaluated here,
  /// in the same batches as in training.
  ///
  /// - Parameters:
  ///   - updates: the samples of the epoch's updates, before the first of them.
  ///   - objective: the loss, which decides which samples are evaluated.
  ///   - microBatch: the most samples that training evaluates at once.
  ///   - field: the policy, evaluated without gradients.
  public mutating func recomputeOldVelocities(
    of updates: [[TrainingSample]], _ objective: PolicyObjective, microBatch: Int,
    field: VelocityField
  ) {
    var known: [Int] = []
    var parts: [Tensor] = []
    for update in updates.dropFirst() {
      let active = update.filter { !$0.isSkippable(objective) }
      for range in microBatches(of: active.count, limit: microBatch) {
        let rows = active[range].map(row)
        parts.append(
          withoutGradient {
            let (latents, sigma, trunkIndices) = inputs(of: rows)
            return field(latents, sigma, trunkIndices).to(.float32)
          })
        known += rows
      }
    }
    oldPolicy = OldPolicy(
      velocities: parts.isEmpty ? nil : Tensor.cat(parts, dim: 0),
      places: Dictionary(uniqueKeysWithValues: zip(known, 0...)))
  }

  /// A sample's flat index into the storage, `stepIndex * T + trunk`.
  func row(_ sample: TrainingSample) -> Int { sample.stepIndex * trunks.count + sample.trunk }

  /// x_{i+1} of one branch, from the stored state and the branch's seed: `[1, …]` float32.
  public func branchLatents(trunk: Int, step: Int, branch: Int) -> Tensor {
    guard let stepIndex = steps.firstIndex(of: step) else {
      preconditionFailure("step \(step) was not trained in this epoch")
    }
    let eps = noise.branches([(trunks[trunk], step, branch)])
    return coefficients[stepIndex].stochastic(
      latents.selected(dim: 0, index: stepIndex).narrowed(dim: 0, start: trunk, length: 1),
      velocity: velocities.selected(dim: 0, index: stepIndex)
        .narrowed(dim: 0, start: trunk, length: 1), noise: eps)
  }

  /// The rows (flat indices `stepIndex * T + trunk`) as arguments of a velocity field:
  /// latents `[B, …]`, sigma `[B]`, B trunk indices.
  func inputs(of rows: [Int]) -> (latents: Tensor, sigma: Tensor, trunkIndices: [Int]) {
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

/// The old policy, defined by forward passes of training.
struct OldPolicy {
  /// Velocities of samples evaluated beforehand: `[samples, …]` float32; nil without such samples.
  let velocities: Tensor?
  /// The index of a stored row in `velocities`. The old velocity of any other row is that of its
  /// update's forward pass.
  let places: [Int: Int]

  /// The old velocities of `rows`, whose current velocities are `new`: `[B, …] -> [B, …]`.
  ///
  /// All rows of a call belong to one update.
  func velocities(of rows: [Int], new: Tensor) -> Tensor {
    let found = rows.compactMap { places[$0] }
    guard let velocities, !found.isEmpty else { return new }
    precondition(found.count == rows.count, "samples of the first update among those of later ones")
    return velocities.indexSelect(
      dim: 0, Tensor(found, shape: [found.count]).to(velocities.device))
  }
}

/// Cuts `count` rows into as few nearly equal ranges of at most `limit` as possible.
package func microBatches(of count: Int, limit: Int) -> [Range<Int>] {
  precondition(limit >= 1, "a micro-batch holds at least one row")
  guard count > 0 else { return [] }
  let parts = (count - 1) / limit + 1
  return (0..<parts).map { (count * $0 / parts)..<(count * ($0 + 1) / parts) }
}
