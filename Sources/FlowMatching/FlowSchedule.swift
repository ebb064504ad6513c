import Foundation

/// The sigmas of a sampler: `sigma_0 = 1 > … > sigma_{N-1} > sigma_N = 0`, in float64.
///
/// Below the pipelines, time is sigma; a pipeline converts it to its model's timestep.
public struct FlowSchedule: Hashable, Sendable {
  /// The grid before any shift, with N points.
  public enum Grid: String, Hashable, Sendable {
    /// From the largest to the smallest sigma of training. The ends of that range already include
    /// a static shift, so the shift counts twice, as in SD3's pipeline.
    case trainedRange
    /// `1, …, 1/N`, as in FLUX's and Qwen-Image's pipelines.
    case uniform
  }

  /// N + 1 values, strictly falling, the last one 0.
  public let sigmas: [Double]

  /// N, the number of model evaluations of one sample.
  public var stepCount: Int { sigmas.count - 1 }

  /// A schedule from its sigmas: at most 1, strictly falling, ending in 0.
  public init(sigmas: [Double]) {
    precondition(sigmas.count >= 2, "a schedule needs at least one step")
    precondition(sigmas[0] <= 1 && sigmas.last == 0, "sigmas run from at most 1 down to 0")
    precondition(zip(sigmas, sigmas.dropFirst()).allSatisfy { $0 > $1 }, "sigmas must fall")
    self.sigmas = sigmas
  }

  /// The schedule of diffusers' `FlowMatchEulerDiscreteScheduler`.
  ///
  /// - Parameters:
  ///   - configuration: the model's scheduler configuration.
  ///   - stepCount: N, at least 1.
  ///   - imageTokens: tokens of the image inside the network; needed for dynamic shifting only.
  ///   - grid: nil takes `uniform` for dynamic shifting and `trainedRange` otherwise.
  public init(
    _ configuration: SchedulerConfiguration, stepCount: Int, imageTokens: Int? = nil,
    grid: Grid? = nil
  ) {
    precondition(stepCount >= 1, "a schedule needs at least one step")
    let dynamic = configuration.usesDynamicShifting
    let grid = grid ?? (dynamic ? .uniform : .trainedRange)
    var strength = configuration.shift
    if dynamic {
      guard let imageTokens else {
        preconditionFailure("dynamic shifting needs the number of image tokens")
      }
      let mu = configuration.mu(imageTokens: imageTokens)
      strength = configuration.timeShift == .exponential ? exp(mu) : mu
    }
    // Equal to `s x / (1 + (s - 1) x)`, and exactly 1 at 1, where steps branch on equality.
    func shift(_ sigma: Double) -> Double { strength / (strength + (1 / sigma - 1)) }
    let smallest =
      switch grid {
      case .uniform: 1 / Double(stepCount)
      case .trainedRange:
        dynamic
          ? 1 / Double(configuration.trainingTimesteps)
          : shift(1 / Double(configuration.trainingTimesteps))
      }
    var sigmas = Self.linear(from: 1, to: smallest, count: stepCount).map(shift)
    if let terminal = configuration.terminalSigma, terminal != 0, stepCount > 1 {
      let scale = (1 - terminal) / (1 - sigmas[stepCount - 1])
      sigmas = sigmas.map { 1 - (1 - $0) * scale }
    }
    self.init(sigmas: sigmas + [0])
  }

  /// The coefficients of step `index` (0..<N), from `sigma_index` to `sigma_{index+1}`.
  public func step(_ index: Int, _ dynamics: Dynamics) -> StepCoefficients {
    precondition((0..<stepCount).contains(index), "step \(index) of \(stepCount)")
    return StepCoefficients(
      dynamics, sigma: sigmas[index], nextSigma: sigmas[index + 1],
      finiteSigma: sigmas[index] == 1 ? sigmas[index + 1] : sigmas[index])
  }

  /// The coefficients of a deterministic step from `sigma_index` to `sigma_end`, which may skip the
  /// sigmas between: 0 <= index < end <= N.
  public func deterministicStep(_ index: Int, to end: Int) -> StepCoefficients {
    precondition(index >= 0 && index < end && end <= stepCount, "step \(index) to \(end)")
    return StepCoefficients(
      .deterministic, sigma: sigmas[index], nextSigma: sigmas[end], finiteSigma: sigmas[index])
  }

  /// `c = 1 / mean w` over the given steps: the noise-aware weights `c w_i` average to 1.
  public func weightNormalizer(over steps: [Int], _ dynamics: Dynamics) -> Double {
    precondition(!steps.isEmpty, "no steps to average over")
    let total = steps.reduce(0) { $0 + step($1, dynamics).stdDev }
    precondition(total > 0, "deterministic steps have no noise-aware weight")
    return Double(steps.count) / total
  }

  private static func linear(from start: Double, to end: Double, count: Int) -> [Double] {
    guard count > 1 else { return [start] }
    let spacing = (end - start) / Double(count - 1)
    return (0..<count).map { $0 == count - 1 ? end : start + Double($0) * spacing }
  }
}
