public import FlowMatching
public import Torch

/// Adds the gradient of one update's forward-process loss to the parameters behind `field`.
///
/// Noise of a (sample, trained step) is a function of its seeds, so it is the same in every update,
/// on any number of processes, and after a resumption. Everything else is as with
/// `policyGradient`.
///
/// - Parameters:
///   - objective: the loss.
///   - rollout: an epoch's rollout with `RolloutMethod.ode`.
///   - samples: the (trunk, step) pairs of this update, with advantages.
///   - microBatch: the most samples evaluated at once.
///   - share: the part of the samples that is evaluated here.
///   - gradientScale: a power of two that multiplies the parameters' gradients.
///   - field: the policy, evaluated with gradients recorded.
///   - old: the old policy, evaluated without gradients, before `field` in each micro-batch, so
///     that it may change the parameters meanwhile; nil where it equals `field`.
///   - reference: the policy without adapters, evaluated without gradients; needed if `klBeta` > 0.
///   - backward: backpropagates dL/dv through a velocity of `field`.
///   - collect: turns the statistics of this part's samples into those of all parts, in order.
/// - Returns: the statistics of the update.
/// - Throws: errors of `collect`.
public func forwardProcessGradient<Failure: Error>(
  _ objective: ForwardProcessObjective, rollout: Rollout, samples: [TrainingSample],
  microBatch: Int, share: WorkShare = .whole, gradientScale: Double = 1, field: VelocityField,
  old: VelocityField?, reference: VelocityField? = nil,
  backward: (_ velocity: Tensor, _ gradient: Tensor) -> Void = { $0.backward(gradient: $1) },
  collect: ([Float]) throws(Failure) -> [Float]
) throws(Failure) -> PolicyStatistics {
  precondition(objective.klBeta == 0 || reference != nil, "a KL term needs a reference")
  let active = samples.filter { !$0.isSkippable(objective) }
  let coefficients = rollout.coefficients
  let statistics = accumulateGradients(
    of: active, microBatch: microBatch, share: share, scale: gradientScale, backward
  ) { chunk in
    let noisy = withoutGradient { rollout.noisy(chunk) }
    let (latents, sigma, trunks) = (noisy.latents, noisy.sigma, noisy.trunkIndices)
    let oldVelocity = old.map { old in withoutGradient { old(latents, sigma, trunks) } }
    let velocity = withGradient { field(latents, sigma, trunks).to(.float32) }
    let (gradient, summary) = withoutGradient {
      func flat(_ tensor: Tensor) -> Tensor {
        tensor.detached().to(.float32).reshaped([chunk.count, rollout.noise.elementCount])
      }
      let reference = objective.klBeta > 0 ? reference?(latents, sigma, trunks) : nil
      let batch = ForwardProcessBatch(
        target: flat(noisy.target), velocity: flat(velocity), old: flat(oldVelocity ?? velocity),
        reference: reference.map(flat),
        sigmas: chunk.map { coefficients[$0.stepIndex].sigma },
        advantages: chunk.map { $0.advantages[0] })
      let (gradient, terms, kl) = objective.evaluate(batch, sampleCount: samples.count)
      return (gradient, PolicyStatistics.rows(of: batch, terms, kl: kl, gradient))
    }
    return (velocity, gradient, summary)
  }
  let rows = try collect(statistics)
  return PolicyStatistics(
    forwardRows: rows, objective, samples: active, sampleCount: samples.count,
    steps: rollout.steps)
}

extension Rollout {
  /// The points of the forward process at which samples are trained.
  struct Noisy {
    /// x_t: `[B, …]` float32.
    let latents: Tensor
    /// t: `[B]`.
    let sigma: Tensor
    let trunkIndices: [Int]
    /// u = eps - x_0: `[B, …]`.
    let target: Tensor
  }

  /// Adds noise to the finished samples of a rollout with `RolloutMethod.ode`. At sigma 1 a point
  /// is noise alone.
  func noisy(_ samples: [TrainingSample]) -> Noisy {
    precondition(plan.method == .ode, "the forward process starts from finished samples")
    let original = gather(latents, samples.map(row))
    let eps = noise.branches(samples.map { (trunks[$0.trunk], steps[$0.stepIndex], 0) })
    let coefficients = self.coefficients
    let sigma = Tensor(
      samples.map { Float(coefficients[$0.stepIndex].sigma) }, shape: [samples.count]
    ).to(noise.device)
    let column = sigma.reshaped([samples.count] + noise.shape.map { _ in 1 })
    return Noisy(
      latents: original * (1.0 - column) + eps * column, sigma: sigma,
      trunkIndices: samples.map(\.trunk), target: eps - original)
  }
}
