import FlowMatching
import Torch

/// Trunks of a rollout that advance together: at every step all rows have one sigma, so the batch
/// costs N model calls on a growing number of rows instead of one call per branch and step.
struct RolloutBatch {
  let plan: RolloutPlan
  let steps: [Int]
  let trunks: [TrunkID]
  /// The trunks of this batch, as indices into `trunks`.
  let range: Range<Int>
  /// The columns that are rolled out here; see ``RolloutPlan/columns(trunks:)``.
  let columns: Range<Int>
  let noise: NoiseSource
  let field: VelocityField

  private var stepCount: Int { plan.schedule.stepCount }

  /// TempFlow-GRPO's rollout: rows are the trunks, then the branches in order of branching.
  func branching<Failure: Error>(
    finished: (FinishedSamples) throws(Failure) -> Void
  ) throws(Failure) -> RolloutPart {
    var part = RolloutPart()
    var state = noise.initial(Array(trunks[range]))
    var rows = range.map { SampleID(trunk: $0, step: nil) }
    let lastBranchStep = steps.max() ?? -1
    for step in 0..<stepCount - 1 {
      let velocity = velocities(state, at: step, rows)
      var next = plan.schedule.step(step, .deterministic)
        .deterministic(state, velocity: velocity)
      var nextRows = rows
      if steps.contains(step) {
        let latents = state.narrowed(dim: 0, start: 0, length: range.count).clone()
        let direction = velocity.narrowed(dim: 0, start: 0, length: range.count).clone()
        let branched = branch(latents, direction, at: step, into: &part)
        next = Tensor.cat([next, branched.latents], dim: 0)
        nextRows += branched.rows
      }
      if step == lastBranchStep && !plan.finishesTrunks {
        next = next.narrowed(
          dim: 0, start: range.count, length: nextRows.count - range.count)
        nextRows.removeFirst(range.count)
      }
      (state, rows) = (next, nextRows)
    }
    try finish(state, rows, plan.schedule.step(stepCount - 1, .deterministic), nil, finished)
    return part
  }

  /// Flow-GRPO's rollout: every trunk is one sample. All steps are stochastic, or with
  /// Flow-GRPO-Fast only the trained steps.
  func flowGRPO<Failure: Error>(
    finished: (FinishedSamples) throws(Failure) -> Void
  ) throws(Failure) -> RolloutPart {
    var part = RolloutPart()
    var state = noise.initial(Array(trunks[range]))
    let rows = range.map { SampleID(trunk: $0, step: nil) }
    let everywhere = plan.method == .flowGRPO
    for step in 0..<stepCount - 1 {
      let velocity = velocities(state, at: step, rows)
      if steps.contains(step) {
        state = branch(state, velocity, at: step, into: &part).latents
      } else if everywhere {
        state = plan.schedule.step(step, plan.dynamics)
          .stochastic(state, velocity: velocity, noise: branchNoise(range, 0..<1, at: step))
      } else {
        state = plan.schedule.step(step, .deterministic).deterministic(state, velocity: velocity)
      }
    }
    let last = stepCount - 1
    try finish(
      state, rows, plan.schedule.step(last, everywhere ? plan.dynamics : .deterministic),
      everywhere ? branchNoise(range, 0..<1, at: last) : nil, finished)
    return part
  }

  /// Takes the stochastic step once for every branch of every trunk and stores the data for
  /// training. `[T, …], [T, …] -> [branches, …]`, trunk by trunk.
  private func branch(
    _ latents: Tensor, _ velocity: Tensor, at step: Int, into part: inout RolloutPart
  ) -> (latents: Tensor, rows: [SampleID]) {
    let coefficients = plan.schedule.step(step, plan.dynamics)
    part.latents.append(latents)
    part.velocities.append(velocity)
    var (parts, rows): ([Tensor], [SampleID]) = ([], [])
    for (trunks, branches) in blocks {
      let (start, length) = (trunks.lowerBound - range.lowerBound, trunks.count)
      let eps = branchNoise(trunks, branches, at: step)
      let branched = coefficients.stochastic(
        latents.narrowed(dim: 0, start: start, length: length).unsqueezed(1),
        velocity: velocity.narrowed(dim: 0, start: start, length: length).unsqueezed(1),
        noise: eps.reshaped([length, branches.count] + noise.shape))
      parts.append(branched.flattened(from: 0, to: 1))
      rows += trunks.flatMap { trunk in
        branches.map { SampleID(trunk: trunk, step: step, branch: $0) }
      }
    }
    return (parts.count == 1 ? parts[0] : Tensor.cat(parts, dim: 0), rows)
  }

  /// Neighboring trunks with the same branches: only the first and the last trunk of a share have
  /// fewer than K.
  private var blocks: [(trunks: Range<Int>, branches: Range<Int>)] {
    var blocks: [(trunks: Range<Int>, branches: Range<Int>)] = []
    for trunk in range {
      let branches = plan.method.branches(of: trunk, among: columns)
      if let last = blocks.last, last.branches == branches {
        blocks[blocks.count - 1].trunks = last.trunks.lowerBound..<trunk + 1
      } else {
        blocks.append((trunk..<trunk + 1, branches))
      }
    }
    return blocks
  }

  /// Noise of branches at a step: `[trunks branches, …]`, trunk by trunk.
  private func branchNoise(_ chosen: Range<Int>, _ branches: Range<Int>, at step: Int) -> Tensor {
    noise.branches(
      chosen.flatMap { trunk in branches.map { (trunks[trunk], step, $0) } })
  }

  /// `[rows, …] -> [rows, …]` float32, in micro-batches.
  private func velocities(_ state: Tensor, at step: Int, _ rows: [SampleID]) -> Tensor {
    let parts = microBatches(of: rows.count, limit: plan.microBatch).map { range in
      velocity(state, at: step, rows, range)
    }
    return parts.count == 1 ? parts[0] : Tensor.cat(parts, dim: 0)
  }

  private func velocity(
    _ state: Tensor, at step: Int, _ rows: [SampleID], _ range: Range<Int>
  ) -> Tensor {
    let sigma = Tensor.full(
      [range.count], plan.schedule.sigmas[step], dtype: .float32, device: noise.device)
    let latents = state.narrowed(dim: 0, start: range.lowerBound, length: range.count)
    return field(latents, sigma, rows[range].map(\.trunk)).to(.float32)
  }

  /// Takes the last step and passes the samples to `finished`, micro-batch by micro-batch.
  private func finish<Failure: Error>(
    _ state: Tensor, _ rows: [SampleID], _ step: StepCoefficients, _ eps: Tensor?,
    _ finished: (FinishedSamples) throws(Failure) -> Void
  ) throws(Failure) {
    for part in microBatches(of: rows.count, limit: plan.microBatch) {
      let latents = state.narrowed(dim: 0, start: part.lowerBound, length: part.count)
      let velocity = velocity(state, at: stepCount - 1, rows, part)
      let final =
        if let eps {
          step.stochastic(
            latents, velocity: velocity,
            noise: eps.narrowed(dim: 0, start: part.lowerBound, length: part.count))
        } else {
          step.deterministic(latents, velocity: velocity)
        }
      try finished(FinishedSamples(ids: Array(rows[part]), latents: final))
    }
  }
}
