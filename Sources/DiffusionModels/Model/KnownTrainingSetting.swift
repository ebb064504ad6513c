public import FlowMatching

/// Settings of a rollout and its update with which a model is known to learn.
public struct KnownTrainingSetting: Sendable, Equatable {
  /// N, denoising steps.
  public var steps: Int
  /// The stochastic step and its noise level.
  public var dynamics: Dynamics
  /// Number of trained steps, the first ones.
  public var trainedSteps: Int
  public var clipRange: Double
  /// Side of the images, in pixels.
  public var resolution: Int
  /// Who reports it.
  public var source: String

  public init(
    steps: Int, dynamics: Dynamics, trainedSteps: Int, clipRange: Double, resolution: Int,
    source: String
  ) {
    self.steps = steps
    self.dynamics = dynamics
    self.trainedSteps = trainedSteps
    self.clipRange = clipRange
    self.resolution = resolution
    self.source = source
  }

  /// Whether a run with these settings is within the evidence: equal steps and dynamics, trained
  /// steps among the known ones, and a clip range within a factor of 2 on each side. Size and
  /// guidance are not compared.
  public func covers(
    steps: Int, dynamics: Dynamics, trainedSteps: [Int], clipRange: [Double]
  ) -> Bool {
    steps == self.steps && dynamics == self.dynamics
      && trainedSteps.allSatisfy { $0 < self.trainedSteps }
      && clipRange.allSatisfy((self.clipRange / 2...self.clipRange * 2).contains)
  }

  /// One line.
  public var text: String {
    let (name, level) =
      switch dynamics {
      case .flowSDE(let level, _): ("flow_sde", level)
      case .cps(let level, _): ("cps", level)
      case .danceSDE(let eta, _): ("dance_sde", eta)
      case .deterministic: ("deterministic", 0)
      }
    return "\(steps) steps, \(name) with noise_level \(level), the first \(trainedSteps) trained, "
      + "clip_range \(clipRange), \(resolution) px (\(source))"
  }
}
