import TempFlow
import TestSupport
import Testing

private func plan(_ method: RolloutMethod, _ steps: BranchSteps) throws -> RolloutPlan {
  try RolloutPlan(
    schedule: toySchedule, dynamics: .flowSDE(noiseLevel: 0.7), method: method, steps: steps)
}

@Suite struct FlowGRPOTests {
  let trunks = toyTrunks(prompts: 2, seeds: 3)
  let noise = NoiseSource(run: 5, epoch: 2, shape: [6])
  let toy = ToyField(width: 6, trunks: 6, seed: 1)

  @Test func `a sample of Flow-GRPO is stochastic at every step and its whole path is stored`()
    throws
  {
    var plan = try plan(.flowGRPO, .all)
    plan.microBatch = 4
    let (rollout, samples) = collect(plan, trunks: trunks, noise: noise, field: toy.velocity)
    #expect(rollout.steps == [0, 1, 2, 3])
    #expect(rollout.latents.shape == [4, 6, 6])
    let first = rollout.latents.selected(dim: 0, index: 0)
    #expect(largestDifference(first, noise.initial(trunks)) == 0)
    // The next stored state is the branch of this one.
    for stepIndex in 0..<3 {
      for trunk in trunks.indices {
        let next = rollout.branchLatents(trunk: trunk, step: stepIndex, branch: 0)
        let stored = rollout.latents.selected(dim: 0, index: stepIndex + 1)
          .narrowed(dim: 0, start: trunk, length: 1)
        #expect(largestDifference(next, stored) < 1e-6)
      }
    }
    // The last step, to sigma 0, adds noise as well.
    let last = plan.schedule.step(4, plan.dynamics)
    for trunk in trunks.indices {
      let before = rollout.branchLatents(trunk: trunk, step: 3, branch: 0)
      let velocity = withoutGradient {
        toy.velocity(before, Tensor.full([1], last.sigma), [trunk])
      }
      let expected = last.stochastic(
        before, velocity: velocity, noise: noise.branches([(trunks[trunk], 4, 0)]))
      let found = try #require(samples[SampleID(trunk: trunk, step: nil)])
      #expect(largestDifference(expected.floats(), found) < 1e-5)
    }
  }

  @Test(arguments: [BranchSteps.first(2), .list([1, 2]), .sliding(2), .random(2)])
  func `Flow-GRPO-Fast is stochastic only at the trained steps`(steps: BranchSteps) throws {
    let plan = try plan(.flowGRPOFast, steps)
    let (rollout, samples) = collect(plan, trunks: trunks, noise: noise, field: toy.velocity)
    #expect(rollout.latents.shape == [2, 6, 6])
    for trunk in trunks.indices {
      var state = noise.initial([trunks[trunk]])
      for index in 0..<5 {
        let inside = rollout.steps.contains(index)
        let step = plan.schedule.step(index, inside ? plan.dynamics : .deterministic)
        let velocity = withoutGradient {
          toy.velocity(state, Tensor.full([1], step.sigma), [trunk])
        }
        state =
          inside
          ? step.stochastic(
            state, velocity: velocity, noise: noise.branches([(trunks[trunk], index, 0)]))
          : step.deterministic(state, velocity: velocity)
      }
      let found = try #require(samples[SampleID(trunk: trunk, step: nil)])
      #expect(largestDifference(state.floats(), found) < 1e-5)
    }
  }

  @Test(arguments: [RolloutMethod.flowGRPO, .flowGRPOFast])
  func `any sample can be regenerated from its seeds alone`(method: RolloutMethod) throws {
    let plan = try plan(method, .list([0, 2]))
    let (_, samples) = collect(plan, trunks: trunks, noise: noise, field: toy.velocity)
    #expect(samples.count == trunks.count)
    #expect(plan.evaluationsPerTrunk(steps: [0, 2]) == 5)
    for (id, sample) in samples {
      let alone = regenerate(
        id, of: trunks[id.trunk], plan: plan, noise: noise, field: toy.velocity)
      #expect(largestDifference(alone.floats(), sample) < 1e-5)
    }
  }

  @Test func `stochastic paths end in the distribution of the flow`() throws {
    // Data N(m, s^2) with its exact velocity: the SDE has the flow's marginals.
    let (mean, deviation) = (1.5, 0.4)
    let field: VelocityField = { latents, sigma, _ in
      let rest = 1.0 - sigma
      let variance = rest.squared() * (deviation * deviation) + sigma.squared()
      let slope = (sigma - rest * (deviation * deviation)) / variance
      return (latents - rest.unsqueezed(1) * mean) * slope.unsqueezed(1) - mean
    }
    let schedule = FlowSchedule(SchedulerConfiguration(), stepCount: 200)
    let noise = NoiseSource(run: 8, epoch: 0, shape: [256])
    for method in [RolloutMethod.flowGRPO, .branching(branches: 8)] {
      let plan = try RolloutPlan(
        schedule: schedule, dynamics: .flowSDE(noiseLevel: 0.5), method: method,
        steps: method == .flowGRPO ? .all : .list([20]))
      var values: [Double] = []
      _ = rollOut(
        plan, trunks: toyTrunks(prompts: 4, seeds: 4), noise: noise, field: field
      ) { finished in values += finished.latents.doubles() }
      let average = values.reduce(0, +) / Double(values.count)
      let variance =
        values.reduce(0) { $0 + ($1 - average) * ($1 - average) } / Double(values.count)
      // At least 4,096 independent values: standard errors 0.006 and 0.0045.
      #expect(abs(average - mean) < 0.03, "\(method)")
      #expect(abs(variance.squareRoot() - deviation) < 0.03, "\(method)")
    }
  }
}
