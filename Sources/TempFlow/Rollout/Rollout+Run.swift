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
    let store = RolloutStore(plan, noise, steps: steps, trunks: held.count)
    for part in microBatches(of: held.count, limit: plan.trunksPerBatch) {
      let batch = RolloutBatch(
        plan: plan, steps: steps, trunks: trunks,
        range: held.lowerBound + part.lowerBound..<held.lowerBound + part.upperBound,
        columns: columns, noise: noise, field: field, store: store, place: part.lowerBound)
      switch plan.method {
      case .branching: try batch.branching(finished: finished)
      case .flowGRPO, .flowGRPOFast: try batch.flowGRPO(finished: finished)
      case .ode: try batch.deterministic(finished: finished)
      }
    }
    return Rollout(
      plan: plan, trunks: trunks, noise: noise, steps: steps, latents: store.latents,
      velocities: store.velocities, contents: .trunks(held))
  }
}

/// What an epoch's rollout keeps for training, made at once: the tensors of batches that are joined
/// at the end would be there twice.
struct RolloutStore {
  /// `[R, H, …]` float32; of deterministic samples the finished latents, `[1, H, …]`.
  let latents: Tensor
  /// The same; none of deterministic samples, `[0, H, …]`.
  let velocities: Tensor

  /// - Parameters:
  ///   - steps: the trained steps, ascending.
  ///   - trunks: that are rolled out here.
  init(_ plan: RolloutPlan, _ noise: NoiseSource, steps: [Int], trunks: Int) {
    let isForward = plan.method == .ode
    func states(_ count: Int) -> Tensor {
      Tensor.zeros([count, trunks] + noise.shape, device: noise.device)
    }
    latents = states(isForward ? 1 : steps.count)
    velocities = states(isForward ? 0 : steps.count)
  }

  /// Keeps values of neighboring trunks: `[T, …]`.
  ///
  /// - Parameters:
  ///   - index: of the trained step.
  ///   - place: of the first trunk among those that are rolled out here.
  static func put(_ values: Tensor, in store: Tensor, at index: Int, _ place: Int) {
    store.selected(dim: 0, index: index)
      .narrowed(dim: 0, start: place, length: values.shape[0]).copy_(values)
  }
}
