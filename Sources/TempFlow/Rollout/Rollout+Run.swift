public import FlowMatching
import Torch

/// Runs one epoch's rollout.
///
/// - Parameters:
///   - plan: what to compute.
///   - trunks: the prompts and seeds to start from, without repetition.
///   - share: the part of the rollout that is run here; see ``RolloutPlan/columns(trunks:)``.
///   - noise: the epoch's noise.
///   - field: the policy's velocity. The prompt indices of its rows are indices into `trunks`: its
///     list of prompts has one entry per trunk.
///   - finished: called with samples as they reach sigma 0, at most a micro-batch at once, so that
///     decoding and scoring can overlap with the rest of the rollout. Every sample is passed once.
///
/// - Returns: the data for training.
/// - Throws: errors of `finished`.
///
/// Records no gradients, and does not block on the device inside a step. The result does not depend
/// on the order of evaluation or the size of micro-batches.
public func rollOut<Failure: Error>(
  _ plan: RolloutPlan, trunks: [TrunkID], share: WorkShare = .whole, noise: NoiseSource,
  field: @escaping VelocityField,
  finished: (FinishedSamples) throws(Failure) -> Void
) throws(Failure) -> Rollout {
  precondition(!trunks.isEmpty, "a rollout needs a trunk")
  precondition(Set(trunks).count == trunks.count, "trunks must not repeat")
  let columns = share.range(of: plan.columns(trunks: trunks.count))
  precondition(!columns.isEmpty, "fewer columns than processes")
  let held = plan.method.trunks(of: columns)
  return try withoutGradient { () throws(Failure) -> Rollout in
    let steps = plan.steps.steps(
      stepCount: plan.schedule.stepCount, run: noise.run, epoch: noise.epoch)
    var parts: [RolloutPart] = []
    for part in microBatches(of: held.count, limit: plan.trunksPerBatch) {
      let batch = RolloutBatch(
        plan: plan, steps: steps, trunks: trunks,
        range: held.lowerBound + part.lowerBound..<held.lowerBound + part.upperBound,
        columns: columns, noise: noise, field: field)
      switch plan.method {
      case .branching: parts.append(try batch.branching(finished: finished))
      case .flowGRPO, .flowGRPOFast: parts.append(try batch.flowGRPO(finished: finished))
      case .ode: parts.append(try batch.deterministic(finished: finished))
      }
    }
    let isForward = plan.method == .ode
    return Rollout(
      plan: plan, trunks: trunks, noise: noise, steps: steps,
      latents: Tensor.cat(parts.map { Tensor.stack($0.latents, dim: 0) }, dim: 1),
      velocities: isForward
        ? Tensor.zeros([0, held.count] + noise.shape, device: noise.device)
        : Tensor.cat(parts.map { Tensor.stack($0.velocities, dim: 0) }, dim: 1),
      contents: .trunks(held))
  }
}

/// The stored tensors of one rollout batch, one entry per trained step; of deterministic samples
/// one entry, the finished latents, and no velocities.
struct RolloutPart {
  /// `[T, …]` each.
  var latents: [Tensor] = []
  /// `[T, …]` each.
  var velocities: [Tensor] = []
}
