public import FlowMatching
public import Torch

/// Adds the gradient of one update's loss to the parameters behind `field`.
///
/// Where several processes share an update, each adds the gradient of its own samples; the sum over
/// processes is the update's.
///
/// The branches of a sample share x_i, so the network runs once per sample. The derivative of the
/// loss with respect to the velocity has a closed form and is backpropagated once.
///
/// - Parameters:
///   - objective: the loss.
///   - rollout: the epoch's rollout.
///   - samples: the (trunk, step) pairs of this update, with advantages.
///   - microBatch: the most samples evaluated at once; gradients accumulate, and the size does not
///     change their sum.
///   - share: the part of the samples that is evaluated here.
///   - gradientScale: a power of two, a loss scale for networks in which small gradients underflow;
///     the parameters' gradients are multiplied by it.
///   - field: the policy, evaluated with gradients recorded.
///   - reference: the policy without adapters, evaluated without gradients; needed if `klBeta` > 0.
///   - backward: backpropagates dL/dv through a velocity of `field`; with gradient checkpointing
///     the backward pass continues here.
///   - collect: turns the statistics of this part's samples into those of all parts, in order.
///
/// Skippable samples (`TrainingSample.isSkippable`) are not evaluated. With
/// ``PolicyObjective/Average/all`` they count in the mean, so that the weights of the other samples
/// do not change.
///
/// - Returns: the statistics of the update, read from the device once, at the end.
/// - Throws: errors of `collect`.
public func policyGradient<Failure: Error>(
  _ objective: PolicyObjective, rollout: Rollout, samples: [TrainingSample], microBatch: Int,
  share: WorkShare, gradientScale: Double = 1, field: VelocityField,
  reference: VelocityField? = nil,
  backward: (_ velocity: Tensor, _ gradient: Tensor) -> Void = { $0.backward(gradient: $1) },
  collect: ([Float]) throws(Failure) -> [Float]
) throws(Failure) -> PolicyStatistics {
  precondition(objective.klBeta == 0 || reference != nil, "a KL term needs a reference")
  let active = samples.filter { !$0.isSkippable(objective) }
  let averagedCount = objective.averagedCount(of: samples)
  let statistics = accumulateGradients(
    of: active, microBatch: microBatch, share: share, scale: gradientScale, backward
  ) { chunk in
    let rows = chunk.map(rollout.row)
    let (latents, sigma, trunkIndices) = rollout.inputs(of: rows)
    let velocity = withGradient { field(latents, sigma, trunkIndices).to(.float32) }
    let (gradient, summary) = withoutGradient {
      PolicyLoss(
        objective, rollout: rollout, samples: chunk, velocity: velocity.detached(),
        reference: objective.klBeta > 0 ? reference?(latents, sigma, trunkIndices) : nil
      ).evaluate(sampleCount: averagedCount)
    }
    return (velocity, gradient, summary)
  }
  let rows = try collect(statistics)
  return PolicyStatistics(
    rows: rows, samples: active, sampleCount: samples.count, averagedCount: averagedCount,
    steps: rollout.steps)
}

/// The same for a process that evaluates all samples.
@discardableResult
public func policyGradient(
  _ objective: PolicyObjective, rollout: Rollout, samples: [TrainingSample], microBatch: Int,
  gradientScale: Double = 1, field: VelocityField, reference: VelocityField? = nil,
  backward: (_ velocity: Tensor, _ gradient: Tensor) -> Void = { $0.backward(gradient: $1) }
) -> PolicyStatistics {
  policyGradient(
    objective, rollout: rollout, samples: samples, microBatch: microBatch, share: .whole,
    gradientScale: gradientScale, field: field, reference: reference, backward: backward,
    collect: { $0 })
}

/// Backpropagates this part's samples, micro-batch by micro-batch.
///
/// - Parameters:
///   - active: the samples of the whole update that are evaluated.
///   - terms: the velocity of some samples with gradients recorded, dL/dv, and their statistics
///     `[samples, columns]`.
/// - Returns: the statistics of this part's samples, read from the device once; flat.
func accumulateGradients(
  of active: [TrainingSample], microBatch: Int, share: WorkShare, scale: Double,
  _ backward: (_ velocity: Tensor, _ gradient: Tensor) -> Void,
  terms: ([TrainingSample]) -> (velocity: Tensor, gradient: Tensor, statistics: Tensor)
) -> [Float] {
  var statistics: [Tensor] = []
  for range in share.microBatches(of: active.count, limit: microBatch) {
    let (velocity, gradient, rows) = terms(Array(active[range]))
    backward(velocity, (scale == 1 ? gradient : gradient * scale).reshaped(velocity.shape))
    statistics.append(rows)
  }
  return statistics.isEmpty ? [] : Tensor.cat(statistics, dim: 0).floats()
}

extension PolicyStatistics {
  /// - Parameters:
  ///   - rows: `[samples, PolicyLoss.columns]`, flat.
  ///   - averagedCount: the samples that the loss is a mean over.
  init(
    rows: [Float], samples: [TrainingSample], sampleCount: Int, averagedCount: Int, steps: [Int]
  ) {
    self.sampleCount = sampleCount
    skippedSampleCount = sampleCount - samples.count
    guard !samples.isEmpty else { return }
    for (index, sample) in samples.enumerated() {
      let values = rows[(index * PolicyLoss.columns)..<(index + 1) * PolicyLoss.columns]
        .map(Double.init)
      let step = steps[sample.stepIndex]
      policyLoss += values[0] / Double(averagedCount)
      clipFraction += values[1] / Double(samples.count)
      klDivergence += values[2] / Double(samples.count)
      ratioDeviation[step] = Self.larger(ratioDeviation[step], values[3])
      logProbabilityDeviation[step] = Self.larger(logProbabilityDeviation[step], values[4])
      perStep[step, default: StepStatistics()].add(sample, values)
    }
  }

  /// The larger value, where NaN is larger than everything.
  private static func larger(_ known: Double?, _ value: Double) -> Double {
    guard let known, !value.isNaN else { return value }
    return known.isNaN ? known : max(known, value)
  }
}
