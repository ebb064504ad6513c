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

  @Test func `rescaled guidance keeps the norm of each patch under the prompt`() {
    let (condition, none) = Self.velocities()
    let plain = Self.guided(.classifierFree(scale: 4), condition, none)
    let rescaled = Self.guided(.classifierFree(scale: 4, rescalingPatch: 2), condition, none)
    func norms(_ x: Tensor) -> [Float] {
      x.reshaped([2, 3, 2, 2, 1, 2]).squared().sum(dims: [1, 3, 5]).sqrt().floats()
    }
    for (found, expected) in zip(norms(rescaled), norms(condition)) {
      #expect(abs(found - expected) < 1e-6)
    }
    // The direction within a patch stays that of the plain velocity.
    let factors = (rescaled / plain).reshaped([2, 3, 2, 2, 1, 2])
    let spread = factors.amax(dims: [1, 3, 5]) - factors.amin(dims: [1, 3, 5])
    #expect(spread.abs().amax().item() < 1e-6)
    #expect(norms(plain) != norms(rescaled))
  }

  @Test func `the gradient of rescaled guidance equals finite differences`() {
    let (condition, none) = Self.velocities()
    let weights = Tensor.randn(condition.shape, generator: Generator(seed: 12)).to(.float64)
    func loss(_ condition: Tensor, _ none: Tensor) -> Tensor {
      (Self.guided(.classifierFree(scale: 4, rescalingPatch: 2), condition, none) * weights).sum()
    }
    condition.requiresGradient = true
    none.requiresGradient = true
    loss(condition, none).backward()
    let step = 1e-5
    for (leaf, isCondition) in [(condition, true), (none, false)] {
      let values = leaf.detached()
      let gradient = leaf.gradient.map { $0.doubles() } ?? []
      #expect(gradient.count == values.count)
      for index in 0..<values.count {
        func moved(_ distance: Double) -> Double {
          var elements = values.doubles()
          elements[index] += distance
          let other = Tensor(elements, shape: values.shape)
          return isCondition
            ? loss(other, none.detached()).item() : loss(condition.detached(), other).item()
        }
        let difference = (moved(step) - moved(-step)) / (2 * step)
        // Central differences in float64: an error of the order of step squared.
        #expect(abs(difference - gradient[index]) < 1e-7, "\(index)")
      }
    }
  }

  /// Velocities under a prompt and under the negative one. `[2, 3, 4, 2]`, float64
  private static func velocities() -> (condition: Tensor, none: Tensor) {
    let generator = Generator(seed: 11)
    func normal() -> Tensor { Tensor.randn([2, 3, 4, 2], generator: generator).to(.float64) }
    return (normal(), normal())
  }

  private static func guided(
    _ guidance: Guidance, _ condition: Tensor, _ none: Tensor
  ) -> Tensor {
    guidance.applied(
      to: { _, _, promptIndices in
        Tensor.cat(promptIndices == [1, 1, 0, 0] ? [none, condition] : [], dim: 0)
      }, negative: 1
    )(condition, Tensor.zeros([2]), [0, 0])
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
