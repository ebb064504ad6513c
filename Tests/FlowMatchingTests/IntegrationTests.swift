import FlowMatching
import TestSupport
import Testing
import Torch

@Suite struct IntegrationTests {
  @Test func `a linear field gives the product of its step factors`() {
    let schedule = FlowSchedule(sigmas: [1, 0.8, 0.5, 0.2, 0])
    let start = Tensor.randn([4, 3], generator: Generator(seed: 5))
    let field: VelocityField = { latents, _, _ in latents * 0.5 + 2.0 }
    var factor = 1.0
    var constant = 0.0
    for (sigma, next) in zip(schedule.sigmas, schedule.sigmas.dropFirst()) {
      factor *= 1 + 0.5 * (next - sigma)
      constant = constant * (1 + 0.5 * (next - sigma)) + 2 * (next - sigma)
    }
    let found = integrate(field, from: start, over: schedule, promptIndices: [0, 0, 0, 0])
    #expect(largestDifference(found, start * factor + constant) < 1e-5)
  }

  @Test func `the flow to Gaussian data scales and shifts the noise`() {
    // Data N(m, s^2): x_sigma has variance (1-sigma)^2 s^2 + sigma^2, the velocity is linear in
    // x, and the exact flow maps noise z to m + s z.
    let (mean, deviation) = (1.5, 0.4)
    let field: VelocityField = { latents, sigma, _ in
      let rest = 1.0 - sigma
      let variance = rest.squared() * (deviation * deviation) + sigma.squared()
      let slope = (sigma - rest * (deviation * deviation)) / variance
      return (latents - rest.unsqueezed(1) * mean) * slope.unsqueezed(1) - mean
    }
    let schedule = FlowSchedule(SchedulerConfiguration(), stepCount: 1000)
    let start = Tensor.randn([8, 3], generator: Generator(seed: 6))
    let found = integrate(
      field, from: start, over: schedule, promptIndices: [Int](repeating: 0, count: 8))
    // The error of Euler's method is of the order of the step.
    #expect(largestDifference(found, start * deviation + mean) < 5e-3)
  }

  @Test func `prompt indices reach their rows and the last steps can be taken alone`() {
    let schedule = FlowSchedule(sigmas: [1, 0.6, 0.3, 0])
    let field: VelocityField = { latents, _, promptIndices in
      Tensor.zeros(like: latents)
        + Tensor(promptIndices.map(Float.init), shape: [promptIndices.count, 1])
    }
    let start = Tensor.zeros([3, 2])
    let found = integrate(
      field, from: start, over: schedule, promptIndices: [2, 0, 1], steps: 1..<schedule.stepCount)
    let expected: [Float] = [-1.2, -1.2, 0, 0, -0.6, -0.6]
    for (left, right) in zip(found.floats(), expected) { #expect(abs(left - right) < 1e-6) }
  }

  @Test func `gradients of guidance flow through both velocities`() {
    let condition = Tensor([1, 2] as [Float], shape: [1, 2])
    let none = Tensor([3, 5] as [Float], shape: [1, 2])
    condition.requiresGradient = true
    none.requiresGradient = true
    let field = Guidance.classifierFree(scale: 4).applied(
      to: { latents, sigma, promptIndices in
        #expect(latents.shape == [2, 2] && sigma.shape == [2] && promptIndices == [1, 0])
        return Tensor.cat(promptIndices.map { $0 == 0 ? condition : none }, dim: 0)
      }, negative: 1)
    let velocity = field(Tensor.zeros([1, 2]), Tensor.zeros([1]), [0])
    #expect(velocity.floats() == [-5, -7])
    velocity.sum().backward()
    #expect(condition.gradient?.floats() == [4, 4])
    #expect(none.gradient?.floats() == [-3, -3])
  }

  @Test func `no guidance and embedded guidance leave the field as it is`() {
    for guidance in [Guidance.none, .embedded(scale: 3.5)] {
      let field = guidance.applied(
        to: { latents, _, promptIndices in
          #expect(promptIndices == [2, 0])
          return latents * 2
        }, negative: 1)
      let velocity = field(Tensor([1, 2] as [Float], shape: [2, 1]), Tensor.zeros([2]), [2, 0])
      #expect(velocity.floats() == [2, 4])
      #expect(guidance.rowsPerSample == 1 && !guidance.needsNegative)
    }
    #expect(Guidance.embedded(scale: 3.5).embeddedScale == 3.5)
    #expect(Guidance.classifierFree(scale: 2).rowsPerSample == 2)
  }
}
