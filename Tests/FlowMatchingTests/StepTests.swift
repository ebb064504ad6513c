import FlowMatching
import Foundation
import TestSupport
import Testing
import Torch

private let schedule = FlowSchedule(sigmas: [1, 0.9, 0.7, 0.4, 0.1, 0])

private func normal(_ shape: [Int], seed: UInt64) -> Tensor {
  Tensor.randn(shape, generator: Generator(seed: seed))
}

@Suite struct StepTests {
  let latents = normal([3, 2, 4], seed: 1)
  let velocity = normal([3, 2, 4], seed: 2)
  let noise = normal([3, 2, 4], seed: 3)

  @Test func `a deterministic step follows the velocity`() {
    let step = schedule.step(1, .deterministic)
    #expect(step.stdDev == 0)
    let expected = latents - velocity * 0.2
    #expect(largestDifference(step.deterministic(latents, velocity: velocity), expected) < 1e-6)
    #expect(largestDifference(step.mean(latents, velocity: velocity), expected) < 1e-6)
  }

  @Test(arguments: 0..<5)
  func `the SDE equals the paper's drift with its score term`(index: Int) {
    let level = 0.7
    let (sigma, next) = (schedule.sigmas[index], schedule.sigmas[index + 1])
    let finite = sigma == 1 ? next : sigma
    let rate = level * (sigma / (1 - finite)).squareRoot()
    let drift = velocity + (latents + velocity * (1 - sigma)) * (rate * rate / (2 * sigma))
    let step = schedule.step(index, .flowSDE(noiseLevel: level))
    #expect(
      largestDifference(step.mean(latents, velocity: velocity), latents + drift * (next - sigma))
        < 1e-5)
    #expect(abs(step.stdDev - rate * (sigma - next).squareRoot()) < 1e-12)
  }

  @Test func `the constant-rate SDE uses one noise rate for all steps`() {
    let eta = 0.3
    for index in 0..<5 {
      let (sigma, next) = (schedule.sigmas[index], schedule.sigmas[index + 1])
      let step = schedule.step(index, .danceSDE(eta: eta))
      // The score follows from the predicted data, x0 = x - sigma v.
      let data = latents - velocity * sigma
      let score = (latents - data * (1 - sigma)) * (-1 / (sigma * sigma))
      let mean =
        latents + velocity * (next - sigma) - score * (0.5 * eta * eta * (next - sigma))
      #expect(largestDifference(step.mean(latents, velocity: velocity), mean) < 1e-5)
      #expect(step.diffusion == eta)
      #expect(abs(step.stdDev - eta * (sigma - next).squareRoot()) < 1e-12)
    }
  }

  @Test(arguments: 0..<5)
  func `coefficient-preserving sampling has the scheduled noise`(index: Int) {
    let level = 0.6
    let (sigma, next) = (schedule.sigmas[index], schedule.sigmas[index + 1])
    let step = schedule.step(index, .cps(noiseLevel: level))
    let deviation = next * sin(level * Double.pi / 2)
    let kept = (next * next - deviation * deviation).squareRoot()
    let data = latents - velocity * sigma
    let predictedNoise = latents + velocity * (1 - sigma)
    #expect(
      largestDifference(
        step.mean(latents, velocity: velocity), data * (1 - next) + predictedNoise * kept) < 1e-5)
    #expect(abs(step.stdDev - deviation) < 1e-12)
    // log p is the negative mean square without scale and constant.
    let sample = step.stochastic(latents, velocity: velocity, noise: noise)
    let found = step.logProbability(
      of: sample, mean: step.mean(latents, velocity: velocity)
    ).doubles()
    if index < 4 {
      let squares = (noise * deviation).squared().mean(dims: [1, 2]).doubles()
      for (left, right) in zip(found, squares) { #expect(abs(left + right) < 1e-5) }
    }
  }

  @Test func `the log-probability is the mean of the Gaussian log-density over elements`() {
    let step = schedule.step(2, .flowSDE(noiseLevel: 0.7))
    let mean = step.mean(latents, velocity: velocity)
    let sample = step.stochastic(latents, velocity: velocity, noise: noise)
    let found = step.logProbability(of: sample, mean: mean).floats()
    let scale = step.stdDev
    let rows = noise.reshaped([3, 8]).floats()
    for row in 0..<3 {
      let terms = rows[row * 8..<row * 8 + 8].map { value in
        -Double(value) * Double(value) / 2 - log(scale) - log((2 * Double.pi).squareRoot())
      }
      #expect(abs(Double(found[row]) - terms.reduce(0, +) / 8) < 1e-5)
    }
  }

  @Test func `arithmetic is float32 for any type of the network`() {
    let step = schedule.step(1, .flowSDE(noiseLevel: 0.7))
    let half = velocity.to(.bfloat16)
    #expect(step.mean(latents, velocity: half).dtype == .float32)
    #expect(
      largestDifference(
        step.mean(latents, velocity: half), step.mean(latents, velocity: half.to(.float32))) == 0)
  }
}
