import FlowMatching
import Torch

extension RolloutBatch {
  /// A rollout without noise: every trunk is one sample, of which the finished latents are stored.
  func deterministic<Failure: Error>(
    finished: (FinishedSamples) throws(Failure) -> Void
  ) throws(Failure) {
    var state = noise.initial(Array(trunks[range]))
    let rows = range.map { SampleID(trunk: $0, step: nil) }
    let last = plan.schedule.stepCount - 1
    for step in 0..<last {
      state = plan.schedule.step(step, .deterministic)
        .deterministic(state, velocity: velocities(state, at: step, rows))
    }
    for part in microBatches(of: rows.count, limit: plan.microBatch) {
      let final = plan.schedule.step(last, .deterministic).deterministic(
        state.narrowed(dim: 0, part), velocity: velocity(state, at: last, rows, part))
      RolloutStore.put(final, in: store.latents, at: 0, place + part.lowerBound)
      try finished(FinishedSamples(ids: Array(rows[part]), latents: final))
    }
  }
}
