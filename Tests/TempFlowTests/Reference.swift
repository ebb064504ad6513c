import TempFlow

// The paper's loss in float64, differentiated by autograd, for comparison with the closed form.
// K: branches.

/// How often the network runs per sample.
enum Fold {
  /// Once; K log-probabilities from one velocity.
  case shared
  /// K times on equal inputs.
  case each
}

struct ReferenceLoss {
  var objective: PolicyObjective
  var rollout: Rollout
  var samples: [TrainingSample]
  var fold: Fold
  /// The old policy's velocities, one per sample, from `velocities(_:)`; nil for the rollout's.
  var oldVelocities: [Tensor]?

  /// The velocity of each sample under `field`, in float64.
  func velocities(_ field: VelocityField) -> [Tensor] {
    withoutGradient {
      samples.map {
        evaluate(field, row(rollout.latents, $0), rollout.coefficients[$0.stepIndex], $0)
      }
    }
  }

  /// Backpropagates the loss and returns its policy term, its KL term (without beta) and the share
  /// of clipped rows.
  func backward(
    field: VelocityField, reference: VelocityField? = nil
  ) -> (policy: Double, kl: Double, clipped: Double) {
    let count = rollout.plan.branchCount
    var policy = 0.0
    var kl = 0.0
    var clipped = 0.0
    for (index, sample) in samples.enumerated() {
      let step = rollout.coefficients[sample.stepIndex]
      let state = row(rollout.latents, sample)
      let sampled = step.mean64(state, row(rollout.velocities, sample))
      let shared = evaluate(field, state, step, sample)
      let old = oldVelocities.map { step.mean64(state, $0[index]) } ?? sampled
      var terms: [Tensor] = []
      for branch in 0..<count {
        let velocity = fold == .shared ? shared : evaluate(field, state, step, sample)
        let mean = step.mean64(state, velocity)
        let eps = rollout.noise.branches([
          (rollout.trunks[sample.trunk], rollout.steps[sample.stepIndex], branch)
        ]).to(.float64)
        let next = sampled + eps * step.stdDev
        let ratio = scaledLogRatio(step, next: next, mean: mean, old: old).exp()
        let advantage = -lossWeight(step) * sample.advantages[branch]
        let unclippedTerm = ratio * advantage
        let clippedTerm =
          ratio.clamped(1 - objective.clipRange.low, 1 + objective.clipRange.high) * advantage
        if unclippedTerm.item() < clippedTerm.item() {
          clipped += 1 / Double(count * samples.count)
        }
        terms.append(unclippedTerm.maximum(clippedTerm))
      }
      var loss = Tensor.cat(terms, dim: 0).mean()
      policy += loss.item() / Double(samples.count)
      if let reference {
        let other = withoutGradient { evaluate(reference, state, step, sample) }
        let distance = klTerm(step, state, shared, other)
        kl += distance.item() / Double(samples.count)
        loss = loss + distance * (objective.klBeta * klWeight(step))
      }
      (loss / Double(samples.count)).backward(retainGraph: false)
    }
    return (policy, kl, clipped)
  }

  /// logp_new - logp_old of every branch of every sample, and its form in the ratio; new is
  /// `field`, old is the rollout's policy.
  func logRatios(_ field: VelocityField) -> [[(plain: Double, scaled: Double)]] {
    zip(samples, velocities(field)).map { sample, velocity in
      let step = rollout.coefficients[sample.stepIndex]
      let state = row(rollout.latents, sample)
      let (old, new) = (
        step.mean64(state, row(rollout.velocities, sample)), step.mean64(state, velocity)
      )
      return (0..<rollout.plan.branchCount).map { branch in
        let eps = rollout.noise.branches([
          (rollout.trunks[sample.trunk], rollout.steps[sample.stepIndex], branch)
        ]).to(.float64)
        let next = old + eps * step.stdDev
        let plain =
          step.logProbability(of: next, mean: new) - step.logProbability(of: next, mean: old)
        return (
          plain.item(), scaledLogRatio(step, next: next, mean: new, old: old).item()
        )
      }
    }
  }

  /// The logarithm of the ratio.
  private func scaledLogRatio(
    _ step: StepCoefficients, next: Tensor, mean: Tensor, old: Tensor
  ) -> Tensor {
    let plain =
      step.logProbability(of: next, mean: mean) - step.logProbability(of: next, mean: old)
    let bias = (mean - old).squared().mean() * step.residualFactor
    return switch objective.ratio {
    case .plain: plain
    case .centered: (plain + bias) * kappa(step)
    case .guarded: (plain + bias) * step.stdDev
    }
  }

  /// `W w / |b|` with P = 1 / 2 w^2, and in general the inverse of `P w |b|` relative to its mean.
  private func kappa(_ step: StepCoefficients) -> Double {
    func width(_ step: StepCoefficients) -> Double {
      -step.residualFactor * step.stdDev * step.velocityFactor
    }
    return mean(width) / width(step)
  }

  /// A mean over all steps that the plan can train.
  private func mean(_ value: (StepCoefficients) -> Double) -> Double {
    let plan = rollout.plan
    let steps = plan.steps.candidates(stepCount: plan.schedule.stepCount)
    return steps.reduce(0) { $0 + value(plan.schedule.step($1, plan.dynamics)) }
      / Double(steps.count)
  }

  private func lossWeight(_ step: StepCoefficients) -> Double {
    switch objective.ratio {
    case .plain: weight(step)
    case .centered: weight(step) / kappa(step)
    case .guarded: weight(step) / -step.timeStep
    }
  }

  private func weight(_ step: StepCoefficients) -> Double {
    func inverse(_ step: StepCoefficients) -> Double {
      let finite = step.sigma == 1 ? rollout.plan.schedule.sigmas[1] : step.sigma
      return (step.sigma / (1 - finite)).squareRoot() / (-step.timeStep).squareRoot()
    }
    return switch objective.weighting {
    case .noiseAware: step.stdDev / mean(\.stdDev)
    case .inverseNoise: inverse(step) / mean(inverse)
    case .none: 1
    }
  }

  private func klTerm(
    _ step: StepCoefficients, _ state: Tensor, _ velocity: Tensor, _ other: Tensor
  ) -> Tensor {
    switch objective.klSpace {
    case .mean:
      (step.mean64(state, velocity) - step.mean64(state, other)).squared().mean()
        / (2 * step.stdDev * step.stdDev)
    case .velocity: (velocity - other).squared().mean()
    }
  }

  private func klWeight(_ step: StepCoefficients) -> Double {
    guard objective.weighting == .inverseNoise, objective.klSpace == .mean else { return 1 }
    return weight(step) * weight(step)
  }

  private func row(_ stored: Tensor, _ sample: TrainingSample) -> Tensor {
    stored.selected(dim: 0, index: sample.stepIndex)
      .narrowed(dim: 0, start: sample.trunk, length: 1).to(.float64)
  }

  private func evaluate(
    _ field: VelocityField, _ state: Tensor, _ step: StepCoefficients, _ sample: TrainingSample
  ) -> Tensor {
    let sigma = Tensor.full([1], step.sigma, dtype: .float64, device: state.device)
    return field(state, sigma, [sample.trunk])
  }
}

extension StepCoefficients {
  /// The mean in float64.
  func mean64(_ latents: Tensor, _ velocity: Tensor) -> Tensor {
    latents * latentFactor + velocity * velocityFactor
  }
}
