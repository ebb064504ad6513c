import TempFlow

/// `v = tanh(x W) + sigma u + c[trunk]`: small, nonlinear, trainable. `[B, D] -> [B, D]`.
///
/// Computes in the type of its input, so that a float64 reference is possible.
final class ToyField {
  /// W `[D, D]`, u `[D]`, c `[T, D]`.
  let parameters: [Tensor]

  init(width: Int, trunks: Int, seed: UInt64, device: Device = .cpu) {
    let generator = Generator(seed: seed)
    parameters = [[width, width], [width], [trunks, width]].map {
      let tensor = (Tensor.randn($0, generator: generator) * 0.5).to(device)
      tensor.requiresGradient = true
      return tensor
    }
  }

  func velocity(_ latents: Tensor, _ sigma: Tensor, _ promptIndices: [Int]) -> Tensor {
    let typed = parameters.map { $0.to(latents.dtype) }
    let conditions = typed[2].indexSelect(
      dim: 0, Tensor(promptIndices, shape: [promptIndices.count]).to(latents.device))
    return latents.matmul(typed[0]).tanh()
      + sigma.to(latents.dtype).unsqueezed(1) * typed[1] + conditions
  }

  /// Adds normal noise to every parameter.
  func perturb(by scale: Double, seed: UInt64) {
    let generator = Generator(seed: seed)
    withoutGradient {
      for parameter in parameters {
        let step = Tensor.randn(parameter.shape, generator: generator).to(parameter.device)
        parameter.add_(step, scale: scale)
      }
    }
  }

  /// The gradients accumulated since the last call, flat.
  func takeGradients() -> [Double] {
    parameters.flatMap { parameter in
      defer { parameter.gradient = nil }
      return parameter.gradient?.doubles() ?? [Double](repeating: 0, count: parameter.count)
    }
  }
}

/// A short schedule with uneven steps.
let toySchedule = FlowSchedule(sigmas: [1, 0.85, 0.65, 0.4, 0.15, 0])

func toyTrunks(prompts: Int, seeds: Int) -> [TrunkID] {
  (0..<prompts).flatMap { prompt in
    (0..<seeds).map { TrunkID(prompt: 10 + prompt, seed: $0) }
  }
}

/// A rollout with all its samples.
func collect(
  _ plan: RolloutPlan, trunks: [TrunkID], noise: NoiseSource, field: @escaping VelocityField
) -> (rollout: Rollout, samples: [SampleID: [Float]]) {
  var samples: [SampleID: [Float]] = [:]
  let rollout = rollOut(plan, trunks: trunks, noise: noise, field: field) { finished in
    for (id, row) in zip(finished.ids, finished.latents.unbound(dim: 0)) {
      precondition(samples[id] == nil, "\(id) is a duplicate")
      samples[id] = row.floats()
    }
  }
  return (rollout, samples)
}

func largestDifference(_ left: [Float], _ right: [Float]) -> Float {
  left.count == right.count ? zip(left, right).map { abs($0 - $1) }.max() ?? 0 : .infinity
}

extension Rollout {
  /// log p(x_{i+1} | x_i) of one branch of every trunk, from its noise alone: `[T]` float32.
  ///
  /// The residual of a branch is `w eps`, so `log p = -P w^2 mean(eps^2) - Z`.
  func noiseLogProbability(stepIndex: Int, branch: Int) -> Tensor {
    let step = coefficients[stepIndex]
    let eps = noise.branches(trunks.map { ($0, steps[stepIndex], branch) })
    let squares = eps.flattened(from: 1, to: -1).squared().mean(dims: [1])
    return squares * (-step.residualFactor * step.stdDev * step.stdDev) - step.logNormalizer
  }
}
