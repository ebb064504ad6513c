public import FlowMatching
public import Torch

/// Computes one sample of a rollout alone, from its seeds: `[1, …]` float32 at sigma 0.
///
/// - Parameters:
///   - sample: which sample; `sample.trunk` is the trunk index for `field`.
///   - trunk: the identity of that trunk.
///   - plan: the rollout's plan.
///   - noise: the epoch's noise.
///   - field: the velocity field that the rollout used.
public func regenerate(
  _ sample: SampleID, of trunk: TrunkID, plan: RolloutPlan, noise: NoiseSource,
  field: VelocityField
) -> Tensor {
  withoutGradient {
    let stochastic: (Int) -> Bool
    switch plan.method {
    case .branching: stochastic = { $0 == sample.step }
    case .flowGRPO: stochastic = { _ in true }
    case .ode: stochastic = { _ in false }
    case .flowGRPOFast:
      let steps = plan.steps.steps(
        stepCount: plan.schedule.stepCount, run: noise.run, epoch: noise.epoch)
      stochastic = steps.contains
    }
    var state = noise.initial([trunk])
    var index = 0
    while index < plan.schedule.stepCount {
      let branches = stochastic(index)
      let next = plan.method.next(
        after: index, branchStep: sample.step, stepCount: plan.schedule.stepCount)
      let step =
        branches
        ? plan.schedule.step(index, plan.dynamics)
        : plan.schedule.deterministicStep(index, to: next)
      let sigma = Tensor.full([1], step.sigma, dtype: .float32, device: noise.device)
      let velocity = field(state, sigma, [sample.trunk]).to(.float32)
      state =
        branches
        ? step.stochastic(
          state, velocity: velocity, noise: noise.branches([(trunk, index, sample.branch)]))
        : step.deterministic(state, velocity: velocity)
      index = next
    }
    return state
  }
}
