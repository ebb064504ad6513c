public import Torch

// B: rows of the batch. All arithmetic is float32 for any type of the network: the ratio of two
// log-probabilities depends on differences that half precision rounds away.

extension StepCoefficients {
  /// The deterministic step `x' = x + dt v`: `[B, …], [B, …] -> [B, …]`.
  public func deterministic(_ latents: Tensor, velocity: Tensor) -> Tensor {
    latents + velocity.to(.float32) * timeStep
  }

  /// `mean = A x + b v`, the expectation of the stochastic step: `[B, …], [B, …] -> [B, …]`.
  public func mean(_ latents: Tensor, velocity: Tensor) -> Tensor {
    latents * latentFactor + velocity.to(.float32) * velocityFactor
  }

  /// `x' = mean + w eps`; `noise` is standard normal and broadcasts against the mean.
  public func stochastic(_ latents: Tensor, velocity: Tensor, noise: Tensor) -> Tensor {
    mean(latents, velocity: velocity) + noise * stdDev
  }

  /// `log p(x'|x)`, a mean over the elements of each row: `[B, …], [B, …] -> [B]`.
  public func logProbability(of next: Tensor, mean: Tensor) -> Tensor {
    precondition(residualFactor > 0, "a deterministic step has no log-probability")
    let squared = (next - mean).squared().flattened(from: 1, to: -1).mean(dims: [1], keepDim: false)
    return squared * -residualFactor - logNormalizer
  }
}

/// Follows the flow deterministically over the steps i..<j, from `sigma_i` to `sigma_j`:
/// `[B, …] -> [B, …]`.
///
/// - Parameters:
///   - field: evaluated once a step, on all rows at once.
///   - latents: float32 latents at `sigma_i`; at step 0 standard normal noise.
///   - schedule: the sigmas to visit.
///   - promptIndices: the prompt of each row; see ``VelocityField``.
///   - steps: within 0..<N; nil takes all N.
///
/// Records no gradients.
public func integrate(
  _ field: VelocityField, from latents: Tensor, over schedule: FlowSchedule, promptIndices: [Int],
  steps: Range<Int>? = nil
) -> Tensor {
  withoutGradient {
    var state = latents
    for index in steps ?? 0..<schedule.stepCount {
      let step = schedule.step(index, .deterministic)
      let sigma = Tensor.full(
        [promptIndices.count], step.sigma, dtype: .float32, device: state.device)
      state = step.deterministic(state, velocity: field(state, sigma, promptIndices))
    }
    return state
  }
}
