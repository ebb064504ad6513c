import TempFlow
import TestSupport
import Testing

private let sde = Dynamics.flowSDE(noiseLevel: 0.7)
private let policies: [BranchSteps] = [
  .all, .first(2), .sliding(2), .random(2), .window(2, of: 3), .list([1, 3]),
]

private func branching(
  _ steps: BranchSteps = .all, branches: Int = 3, stride: Int = 1, dynamics: Dynamics = sde,
  schedule: FlowSchedule = toySchedule
) throws -> RolloutPlan {
  try RolloutPlan(
    schedule: schedule, dynamics: dynamics,
    method: .branching(branches: branches, tailStride: stride), steps: steps)
}

@Suite struct RolloutTests {
  @Test(
    arguments: [
      RolloutMethod.branching(branches: 3), .branching(branches: 3, tailStride: 2), .flowGRPO,
      .flowGRPOFast,
    ], [2, 5, 64])
  func `the largest call of a rollout is predicted`(
    method: RolloutMethod, trunksPerBatch: Int
  ) throws {
    let branches = method != .flowGRPO && method != .flowGRPOFast
    for finishes in [false, true] where finishes == false || branches {
      for microBatch in [1, 7, 1000] {
        var plan = try RolloutPlan(
          schedule: toySchedule, dynamics: .flowSDE(noiseLevel: 0.7), method: method,
          steps: .first(2))
        plan.trunksPerBatch = trunksPerBatch
        plan.microBatch = microBatch
        plan.finishesTrunks = finishes
        let trunks = toyTrunks(prompts: 3, seeds: 2)
        var largest = 0
        _ = rollOut(plan, trunks: trunks, noise: NoiseSource(run: 1, epoch: 0, shape: [2])) {
          latents, _, promptIndices in
          largest = max(largest, promptIndices.count)
          return latents
        } finished: { _ in
        }
        let predicted = plan.rowsPerCall(trunks: trunks.count, steps: [0, 1])
        // Rows are divided into nearly equal calls, which may be smaller than a micro-batch.
        #expect(microBatch == 7 ? (largest...7).contains(predicted) : predicted == largest)
      }
    }
  }

  let trunks = toyTrunks(prompts: 2, seeds: 2)
  let noise = NoiseSource(run: 5, epoch: 3, shape: [6])
  let toy = ToyField(width: 6, trunks: 4, seed: 1)

  /// Computes one sample of `v = k x + c[trunk]` in float64. After its stochastic step a branch
  /// moves on by the tail's stride.
  private func byHand(
    _ id: SampleID, slope: Double, plan: RolloutPlan, stride: Int
  ) -> [Double] {
    let trunk = trunks[id.trunk]
    var state = noise.initial([trunk]).doubles()
    let sigmas = plan.schedule.sigmas
    var index = 0
    while index < 5 {
      var following = index + 1
      if let step = id.step, index > step { following = min(5, index + stride) }
      defer { index = following }
      let (sigma, next) = (sigmas[index], sigmas[following])
      let velocity = state.map { slope * $0 + Double(id.trunk) }
      guard index == id.step else {
        state = zip(state, velocity).map { $0 + (next - sigma) * $1 }
        continue
      }
      let finite = sigma == 1 ? next : sigma
      let variance = 0.49 * sigma / (1 - finite)
      let eps = noise.branches([(trunk, index, id.branch)]).doubles()
      state = state.indices.map { element in
        let (x, v) = (state[element], velocity[element])
        let drift = v + variance / (2 * sigma) * (x + (1 - sigma) * v)
        return x + drift * (next - sigma) + (variance * (sigma - next)).squareRoot() * eps[element]
      }
    }
    return state
  }

  @Test(arguments: policies, [1, 2, 3, 4])
  func `branches of a linear field equal a direct computation`(
    steps: BranchSteps, stride: Int
  ) throws {
    var plan = try branching(steps, stride: stride)
    plan.finishesTrunks = true
    let (rollout, samples) = collect(plan, trunks: trunks, noise: noise) {
      latents, _, promptIndices in
      latents * -0.4 + Tensor(promptIndices.map(Float.init), shape: [promptIndices.count, 1])
    }
    #expect(samples.count == 4 * plan.samplesPerTrunk(steps: rollout.steps))
    for (id, sample) in samples {
      let expected = byHand(id, slope: -0.4, plan: plan, stride: stride)
      #expect(relativeError(sample.map(Double.init), expected) < 1e-6, "\(id)")
    }
  }

  @Test(arguments: policies, [1, 2, 3])
  func `every sample of a rollout equals its regeneration from seeds alone`(
    steps: BranchSteps, stride: Int
  ) throws {
    var plan = try branching(steps, stride: stride)
    plan.finishesTrunks = stride == 2
    let (rollout, samples) = collect(plan, trunks: trunks, noise: noise, field: toy.velocity)
    #expect(Set(samples.keys.compactMap(\.step)) == Set(rollout.steps))
    #expect(rollout.steps == steps.steps(stepCount: 5, run: 5, epoch: 3))
    for (id, sample) in samples {
      let alone = regenerate(
        id, of: trunks[id.trunk], plan: plan, noise: noise, field: toy.velocity)
      #expect(largestDifference(alone.floats(), sample) < 1e-5, "\(id)")
    }
  }

  @Test func `a branch can be continued from the stored state and its seed`() throws {
    let plan = try branching()
    let (rollout, samples) = collect(plan, trunks: trunks, noise: noise, field: toy.velocity)
    for (id, sample) in samples {
      let step = try #require(id.step)
      let latents = rollout.branchLatents(trunk: id.trunk, step: step, branch: id.branch)
      let final = integrate(
        toy.velocity, from: latents, over: plan.schedule, promptIndices: [id.trunk],
        steps: (step + 1)..<plan.schedule.stepCount)
      #expect(largestDifference(final.floats(), sample) < 1e-5, "\(id)")
    }
  }

  @Test func `stored states belong to trunks and noise gives the log-probability of a branch`()
    throws
  {
    let plan = try branching(.list([1, 3]), branches: 2)
    let (rollout, _) = collect(plan, trunks: trunks, noise: noise, field: toy.velocity)
    #expect(rollout.latents.shape == [2, 4, 6])
    #expect(rollout.velocities.shape == [2, 4, 6])
    for (stepIndex, step) in rollout.coefficients.enumerated() {
      let latents = rollout.latents.selected(dim: 0, index: stepIndex)
      let velocity = rollout.velocities.selected(dim: 0, index: stepIndex)
      let sigma = Tensor.full([4], step.sigma)
      let fresh = withoutGradient { toy.velocity(latents, sigma, [0, 1, 2, 3]) }
      #expect(largestDifference(velocity, fresh) < 1e-5)
      for branch in 0..<2 {
        let next = Tensor.cat(
          (0..<4).map {
            rollout.branchLatents(trunk: $0, step: rollout.steps[stepIndex], branch: branch)
          }, dim: 0)
        let expected = step.logProbability(
          of: next, mean: step.mean(latents, velocity: velocity))
        let found = rollout.noiseLogProbability(stepIndex: stepIndex, branch: branch)
        #expect(largestDifference(found, expected) < 1e-4)
      }
    }
  }

  @Test(arguments: [(1, Int.max), (5, 3), (64, 1), (2, 2)], [1, 2])
  func `micro-batches and rollout batches do not change the result`(
    sizes: (microBatch: Int, trunksPerBatch: Int), stride: Int
  ) throws {
    let (microBatch, trunksPerBatch) = sizes
    var plan = try branching(stride: stride)
    let whole = collect(plan, trunks: trunks, noise: noise, field: toy.velocity)
    plan.microBatch = microBatch
    plan.trunksPerBatch = trunksPerBatch
    var largest = 0
    let cut = collect(plan, trunks: trunks, noise: noise) { latents, sigma, promptIndices in
      largest = max(largest, promptIndices.count)
      return toy.velocity(latents, sigma, promptIndices)
    }
    #expect(largest <= microBatch)
    #expect(Set(cut.samples.keys) == Set(whole.samples.keys))
    for (id, sample) in cut.samples {
      #expect(largestDifference(sample, try #require(whole.samples[id])) < 1e-5)
    }
    #expect(largestDifference(cut.rollout.latents, whole.rollout.latents) < 1e-5)
    #expect(largestDifference(cut.rollout.velocities, whole.rollout.velocities) < 1e-5)
  }

  @Test func `the paper's setting costs 279 evaluations per trunk`() throws {
    let schedule = FlowSchedule(SchedulerConfiguration(), stepCount: 10)
    let plan = try branching(branches: 6, schedule: schedule)
    #expect(plan.evaluationsPerTrunk(steps: Array(0..<9)) == 279)
    #expect(plan.samplesPerTrunk(steps: Array(0..<9)) == 54)
    let tail = try branching(branches: 6, stride: 2, schedule: schedule)
    #expect(tail.evaluationsPerTrunk(steps: Array(0..<9)) == 159)
    #expect(tail.samplesPerTrunk(steps: Array(0..<9)) == 54)
    // One evaluation more takes the trunk to its own image.
    var trunk = plan
    trunk.finishesTrunks = true
    #expect(trunk.evaluationsPerTrunk(steps: Array(0..<9)) == 280)
    #expect(trunk.samplesPerTrunk(steps: Array(0..<9)) == 55)
  }

  @Test func `three of the first five steps cost 130.5 evaluations a trunk on average`() throws {
    let schedule = FlowSchedule(SchedulerConfiguration(), stepCount: 10)
    let plan = try branching(.random(3, of: 5), branches: 6, schedule: schedule)
    // 1 + 2 steps of the trunk, and 6 branches over 9, 8 and 7 steps.
    #expect(plan.evaluationsPerTrunk(steps: [0, 1, 2]) == 3 + 6 * 24)
    #expect(plan.evaluationsPerTrunk(steps: [2, 3, 4]) == 5 + 6 * 18)
    let draws = (0..<5).flatMap { first in
      (first + 1..<5).flatMap { second in
        (second + 1..<5).map { [first, second, $0] }
      }
    }
    let costs = draws.map { plan.evaluationsPerTrunk(steps: $0) }
    #expect(costs.count == 10 && costs.reduce(0, +) == 1305)
    #expect(costs.min() == 113 && costs.max() == 147)
    #expect(draws.allSatisfy { plan.samplesPerTrunk(steps: $0) == 18 })
    // Every draw of an epoch is one of these.
    for epoch in 0..<50 {
      #expect(draws.contains(plan.steps.steps(stepCount: 10, run: 0, epoch: epoch)))
    }
  }

  @Test(arguments: policies, [(1, false), (1, true), (2, true), (3, false)])
  func `the plan counts the evaluations and samples of a rollout`(
    steps: BranchSteps, option: (stride: Int, finishesTrunks: Bool)
  ) throws {
    let (stride, finishesTrunks) = option
    var plan = try branching(steps, stride: stride)
    plan.finishesTrunks = finishesTrunks
    plan.microBatch = Int.max
    var calls = 0
    var rows = 0
    let (rollout, samples) = collect(plan, trunks: trunks, noise: noise) {
      latents, sigma, promptIndices in
      calls += 1
      rows += promptIndices.count
      #expect(Set(sigma.floats()).count == 1)
      return toy.velocity(latents, sigma, promptIndices)
    }
    // With longer tails and unfinished trunks, no row may be due at a step.
    #expect(calls == 5 || (stride == 3 && calls < 5))
    #expect(calls == plan.calls(by: .whole, trunks: 4, steps: rollout.steps))
    #expect(rows == 4 * plan.evaluationsPerTrunk(steps: rollout.steps))
    #expect(samples.count == 4 * plan.samplesPerTrunk(steps: rollout.steps))
  }

  @Test func `finished samples arrive in micro-batches and a thrown error stops the rollout`()
    throws
  {
    struct Stop: Error {}
    var plan = try branching()
    plan.microBatch = 7
    var groups = 0
    #expect(throws: Stop.self) {
      _ = try rollOut(plan, trunks: trunks, noise: noise, field: toy.velocity) {
        (finished: FinishedSamples) throws(Stop) in
        #expect(finished.ids.count <= 7 && finished.latents.shape == [finished.ids.count, 6])
        groups += 1
        if groups == 2 { throw Stop() }
      }
    }
    #expect(groups == 2)
  }

  @Test(arguments: [Dynamics.cps(noiseLevel: 0.6), .danceSDE(eta: 0.4)])
  func `samples of other dynamics equal their regeneration`(dynamics: Dynamics) throws {
    let plan = try branching(dynamics: dynamics)
    let (_, samples) = collect(plan, trunks: trunks, noise: noise, field: toy.velocity)
    for (id, sample) in samples {
      let alone = regenerate(
        id, of: trunks[id.trunk], plan: plan, noise: noise, field: toy.velocity)
      #expect(largestDifference(alone.floats(), sample) < 1e-5)
    }
  }
}
