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
  /// Where the states that training needs are kept, and the place of the first trunk there.
  let store: RolloutStore
  let place: Int

  private var stepCount: Int { plan.schedule.stepCount }

  /// TempFlow-GRPO's rollout: rows are the trunks, then the branches in order of branching. With a
  /// tail's stride n, branches are evaluated at every n-th step only.
  func branching<Failure: Error>(
    finished: (FinishedSamples) throws(Failure) -> Void
  ) throws(Failure) {
    var walk = RolloutPaths(
      state: noise.initial(Array(trunks[range])),
      rows: range.map { SampleID(trunk: $0, step: nil) })
    // The branches that are due at step s are in entry s mod n.
    let stride = plan.method.tailStride
    var branches = [RolloutPaths](repeating: RolloutPaths(), count: stride)
    let lastBranchStep = steps.max() ?? -1
    for step in 0..<stepCount {
      let latents = walk.state
      let velocity = try advance(&walk, &branches[step % stride], at: step, finished)
      if steps.contains(step), let latents, let velocity {
        let branched = branch(latents, velocity, at: step)
        branches[(step + 1) % stride].append(branched.latents, branched.rows)
      }
      if step == lastBranchStep { walk.keep(finishedTrunks) }
    }
  }

  /// The trunks of this batch that are followed to sigma 0, as places in `range`: the last ones.
  private var finishedTrunks: Range<Int> {
    guard plan.finishesTrunks else { return 0..<0 }
    let own = plan.method.firstColumns(among: columns).clamped(to: range)
    return own.lowerBound - range.lowerBound..<own.upperBound - range.lowerBound
  }

  /// Takes a deterministic step of the trunks and of the branches that are due, in common
  /// micro-batches. Rows that reach sigma 0 are passed to `finished` and leave their paths.
  ///
  /// - Returns: the velocities of the trunks, `[trunks, …]`; nil without trunks.
  private func advance<Failure: Error>(
    _ trunks: inout RolloutPaths, _ branches: inout RolloutPaths, at step: Int,
    _ finished: (FinishedSamples) throws(Failure) -> Void
  ) throws(Failure) -> Tensor? {
    let rows = trunks.rows + branches.rows
    let states = [trunks.state, branches.state].compactMap { $0 }
    guard !states.isEmpty else { return nil }
    let state = Self.joined(states)
    let end = min(step + plan.method.tailStride, stepCount)
    let moves = [step + 1, end].map { plan.schedule.deterministicStep(step, to: $0) }
    var moved: [[Tensor]] = [[], []]
    var velocities: [Tensor] = []
    for part in microBatches(of: rows.count, limit: plan.microBatch) {
      let latents = state.narrowed(dim: 0, part)
      let velocity = velocity(state, at: step, rows, part)
      let walked = max(0, min(part.upperBound, trunks.rows.count) - part.lowerBound)
      for (kind, own) in [0..<walked, walked..<part.count].enumerated() where !own.isEmpty {
        let direction = velocity.narrowed(dim: 0, own)
        if kind == 0 { velocities.append(direction) }
        let next = moves[kind].deterministic(
          latents.narrowed(dim: 0, own), velocity: direction)
        if moves[kind].nextSigma > 0 {
          moved[kind].append(next)
        } else {
          let ids = rows[part.lowerBound + own.lowerBound..<part.lowerBound + own.upperBound]
          try finished(FinishedSamples(ids: Array(ids), latents: next))
        }
      }
    }
    trunks.move(to: moved[0])
    branches.move(to: moved[1])
    return velocities.isEmpty ? nil : Self.joined(velocities)
  }

  /// `[a, …], [b, …], … -> [a + b + …, …]`
  static func joined(_ parts: [Tensor]) -> Tensor {
    parts.count == 1 ? parts[0] : Tensor.cat(parts, dim: 0)
  }

  /// Flow-GRPO's rollout: every trunk is one sample. All steps are stochastic, or with
  /// Flow-GRPO-Fast only the trained steps.
  func flowGRPO<Failure: Error>(
    finished: (FinishedSamples) throws(Failure) -> Void
  ) throws(Failure) {
    var state = noise.initial(Array(trunks[range]))
    let rows = range.map { SampleID(trunk: $0, step: nil) }
    let everywhere = plan.method == .flowGRPO
    for step in 0..<stepCount - 1 {
      let velocity = velocities(state, at: step, rows)
      if steps.contains(step) {
        state = branch(state, velocity, at: step).latents
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
  }

  /// Takes the stochastic step once for every branch of every trunk and stores the data for
  /// training. `[T, …], [T, …] -> [branches, …]`, trunk by trunk.
  private func branch(
    _ latents: Tensor, _ velocity: Tensor, at step: Int
  ) -> (latents: Tensor, rows: [SampleID]) {
    let coefficients = plan.schedule.step(step, plan.dynamics)
    guard let index = steps.firstIndex(of: step) else {
      preconditionFailure("step \(step) is not trained")
    }
    RolloutStore.put(latents, in: store.latents, at: index, place)
    RolloutStore.put(velocity, in: store.velocities, at: index, place)
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
    return (Self.joined(parts), rows)
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
  func velocities(_ state: Tensor, at step: Int, _ rows: [SampleID]) -> Tensor {
    let parts = microBatches(of: rows.count, limit: plan.microBatch).map { range in
      velocity(state, at: step, rows, range)
    }
    return Self.joined(parts)
  }

  func velocity(
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
