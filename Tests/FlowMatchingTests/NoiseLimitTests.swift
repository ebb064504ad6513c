import FlowMatching
import Foundation
import Testing

@Suite struct NoiseLimitTests {
  private static let limit = 0.45
  private static var schedule: FlowSchedule {
    var configuration = SchedulerConfiguration()
    configuration.shift = 3
    return FlowSchedule(configuration, stepCount: 10)
  }

  @Test(arguments: [
    Dynamics.flowSDE(noiseLevel: 0.7, noiseLimit: limit), .danceSDE(eta: 1.6, noiseLimit: limit),
  ])
  func `a limited step has the mean and the log-probability of the SDE with less noise`(
    dynamics: Dynamics
  ) {
    var limitedCount = 0
    for index in 0..<10 {
      let step = Self.schedule.step(index, dynamics)
      let unlimited = Self.schedule.step(index, dynamics.unlimited)
      guard unlimited.stdDev > Self.limit else {
        #expect(step == unlimited)
        continue
      }
      limitedCount += 1
      // s^2 dt = -w^2 in A = 1 + s^2 dt / 2 sigma and b = dt + s^2 dt (1 - sigma) / 2 sigma.
      let (w, sigma) = (Self.limit, step.sigma)
      #expect(abs(step.stdDev - w) < 1e-14)
      #expect(abs(step.diffusion * (-step.timeStep).squareRoot() - w) < 1e-14)
      #expect(abs(step.latentFactor - (1 - w * w / (2 * sigma))) < 1e-14)
      let velocityFactor = step.timeStep - w * w * (1 - sigma) / (2 * sigma)
      #expect(abs(step.velocityFactor - velocityFactor) < 1e-14)
      #expect(abs(step.residualFactor - 1 / (2 * w * w)) < 1e-12)
      #expect(abs(step.logNormalizer - log(w * (2 * Double.pi).squareRoot())) < 1e-14)
    }
    #expect((1..<10).contains(limitedCount))
  }

  @Test func `the first steps of Stable Diffusion 3 have the numbers of the limit`() {
    let steps = (0..<4).map {
      Self.schedule.step($0, .flowSDE(noiseLevel: 0.7, noiseLimit: Self.limit))
    }
    let expected = [
      (0.45, 0.8987500, -0.0398707), (0.45, 0.8945455, -0.0509849), (0.45, 0.8891442, -0.0652624),
      (0.4458971, 0.8840935, -0.0838184),
    ]
    for (step, (w, latentFactor, velocityFactor)) in zip(steps, expected) {
      #expect(abs(step.stdDev - w) < 1e-7)
      #expect(abs(step.latentFactor - latentFactor) < 1e-7)
      #expect(abs(step.velocityFactor - velocityFactor) < 1e-7)
    }
  }

  @Test func `a limited coefficient-preserving step keeps the noise of the schedule`() {
    let dynamics = Dynamics.cps(noiseLevel: 0.7, noiseLimit: Self.limit)
    var limitedCount = 0
    for index in 0..<10 {
      let step = Self.schedule.step(index, dynamics)
      let unlimited = Self.schedule.step(index, dynamics.unlimited)
      #expect(step.stdDev == min(unlimited.stdDev, Self.limit))
      if step.stdDev < unlimited.stdDev { limitedCount += 1 }
      // x = (1 - sigma) x0 + sigma x1 and v = x1 - x0: the factors of data and noise in the mean.
      let data = step.latentFactor * (1 - step.sigma) - step.velocityFactor
      let noise = step.latentFactor * step.sigma + step.velocityFactor
      #expect(abs(data - (1 - step.nextSigma)) < 1e-14)
      let variance = noise * noise + step.stdDev * step.stdDev
      #expect(abs(variance - step.nextSigma * step.nextSigma) < 1e-14)
    }
    #expect((1..<10).contains(limitedCount))
  }

  @Test(arguments: [
    Dynamics.flowSDE(noiseLevel: 0.7, noiseLimit: 0.01), .danceSDE(eta: 0.8, noiseLimit: 0.01),
  ])
  func `samples of a limited SDE have the mean and the variance of the schedule`(
    dynamics: Dynamics
  ) {
    // Data N(m, d^2): x has mean (1 - sigma) m and variance (1 - sigma)^2 d^2 + sigma^2, and the
    // velocity is linear in x, so that the moments follow in closed form.
    let (m, d) = (1.5, 0.4)
    let schedule = FlowSchedule(SchedulerConfiguration(), stepCount: 1000)
    var (mean, variance) = (0.0, 1.0)
    var (meanError, varianceError) = (0.0, 0.0)
    var limitedCount = 0
    func exact(_ sigma: Double) -> Double { pow((1 - sigma) * d, 2) + sigma * sigma }
    for index in 0..<900 {
      let step = schedule.step(index, dynamics)
      let unlimited = schedule.step(index, dynamics.unlimited)
      if step.stdDev < unlimited.stdDev { limitedCount += 1 }
      let sigma = step.sigma
      let slope = (sigma - (1 - sigma) * d * d) / exact(sigma)
      let velocity = slope * (mean - (1 - sigma) * m) - m
      mean = step.latentFactor * mean + step.velocityFactor * velocity
      let factor = step.latentFactor + step.velocityFactor * slope
      variance = factor * factor * variance + step.stdDev * step.stdDev
      meanError = max(meanError, abs(mean - (1 - step.nextSigma) * m))
      varianceError = max(varianceError, abs(variance - exact(step.nextSigma)))
    }
    #expect(limitedCount > 800)
    // The mean follows a straight line; the variance's error is of the order of the step, 1e-3.
    #expect(meanError < 1e-12)
    #expect(varianceError < 5e-4)
  }

  @Test func `a limit above all noise changes nothing`() {
    for index in 0..<10 {
      #expect(
        Self.schedule.step(index, .flowSDE(noiseLevel: 0.7, noiseLimit: 0.75))
          == Self.schedule.step(index, .flowSDE(noiseLevel: 0.7)))
    }
  }
}
