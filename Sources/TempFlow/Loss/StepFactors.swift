import FlowMatching

/// The factors of one trained step in the loss.
struct StepFactors {
  /// Of the policy term.
  let weight: Double
  /// kappa_i, of the log-ratio.
  let logRatio: Double
  /// Of the KL term.
  let kl: Double

  /// Of the policy term's derivative: that of `weight exp(kappa x)` at x = 0.
  let gradientFactor: Double
}

extension RolloutPlan {
  /// The weights of steps against each other, with mean 1 over all trainable steps of the plan.
  ///
  /// - Parameter steps: indices of denoising steps.
  public func weights(_ weighting: PolicyObjective.Weighting, of steps: [Int]) -> [Double] {
    let chosen = steps.map { schedule.step($0, dynamics) }
    switch weighting {
    case .noiseAware:
      let normalizer = weightNormalizer
      return chosen.map { normalizer * $0.stdDev }
    case .inverseNoise:
      let normalizer = 1 / mean(candidates.map(\.inverseNoise))
      return chosen.map { normalizer * $0.inverseNoise }
    case .none:
      return chosen.map { _ in 1 }
    }
  }
}

extension PolicyObjective {
  /// The factors of steps, by their indices.
  func factors(of steps: [Int], in plan: RolloutPlan) -> [StepFactors] {
    let weights = plan.weights(weighting, of: steps)
    let meanWidth = mean(plan.candidates.map(\.logRatioWidth))
    return zip(steps, weights).map { index, weight in
      let step = plan.schedule.step(index, plan.dynamics)
      let kl = weighting == .inverseNoise && klSpace == .mean ? weight * weight : 1
      switch ratio {
      case .plain:
        return StepFactors(weight: weight, logRatio: 1, kl: kl, gradientFactor: weight)
      case .centered:
        let kappa = meanWidth / step.logRatioWidth
        return StepFactors(weight: weight / kappa, logRatio: kappa, kl: kl, gradientFactor: weight)
      case .guarded:
        let scaled = weight / -step.timeStep
        return StepFactors(
          weight: scaled, logRatio: step.stdDev, kl: kl, gradientFactor: scaled * step.stdDev)
      }
    }
  }
}

extension StepCoefficients {
  /// `2 P w |b|`, which is `|b| / w` for an SDE: sqrt(D) times the deviation of the log-ratio over
  /// noises, for a change of the velocity with a root mean square of 1.
  fileprivate var logRatioWidth: Double { 2 * residualFactor * stdDev * abs(velocityFactor) }

  /// `sqrt(sigma / (1 - sigma*)) / sqrt(-dt)`. Source: LongCat-Video, arXiv 2510.22200.
  fileprivate var inverseNoise: Double {
    (sigma / (1 - finiteSigma) / -timeStep).squareRoot()
  }
}

private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
