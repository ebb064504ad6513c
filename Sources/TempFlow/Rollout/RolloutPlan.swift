public import FlowMatching

/// How samples explore.
public enum RolloutMethod: Hashable, Sendable {
  /// TempFlow-GRPO: deterministic trunks; K branches leave each at every branch step by one
  /// stochastic step and are finished deterministically. A reward belongs to one decision.
  case branching(branches: Int)
  /// Flow-GRPO: every sample takes stochastic steps throughout (the last one, too), and its one
  /// reward counts for all trained steps.
  case flowGRPO
  /// Flow-GRPO-Fast and MixGRPO: Flow-GRPO that is stochastic at the trained steps only.
  case flowGRPOFast
}

/// What a rollout computes, the same for every epoch.
public struct RolloutPlan: Hashable, Sendable {
  /// The sigmas.
  public let schedule: FlowSchedule
  /// The stochastic step.
  public let dynamics: Dynamics
  /// How samples explore.
  public let method: RolloutMethod
  /// Which steps are trained.
  public let steps: BranchSteps
  /// Most rows given to the velocity field at once.
  public var microBatch = 64
  /// Most trunks that advance together; further trunks follow in a second batch, while the
  /// first one's samples are being scored. Bounds memory: a batch keeps every branch's latents.
  public var trunksPerBatch = Int.max
  /// Whether trunks are followed to sigma 0 as well and handed out as samples (`step` nil).
  public var finishesTrunks = false

  /// A plan, checked.
  ///
  /// - Throws: ``RolloutPlanError`` if the numbers do not fit together.
  public init(
    schedule: FlowSchedule, dynamics: Dynamics, method: RolloutMethod, steps: BranchSteps = .all
  ) throws(RolloutPlanError) {
    try steps.validate(stepCount: schedule.stepCount)
    if case .branching(let branches) = method, branches < 1 { throw .noBranches(branches) }
    self.schedule = schedule
    self.dynamics = dynamics
    self.method = method
    self.steps = steps
    for step in steps.candidates(stepCount: schedule.stepCount)
    where schedule.step(step, dynamics).stdDev <= 0 {
      throw .noNoise(step: step)
    }
  }

  /// K, the samples that share one (trunk, step); 1 without branching.
  public var branchCount: Int {
    if case .branching(let branches) = method { branches } else { 1 }
  }

  /// c, which makes the noise-aware weights `c w_i` average to 1 over every step that the plan
  /// can train.
  public var weightNormalizer: Double {
    schedule.weightNormalizer(
      over: steps.candidates(stepCount: schedule.stepCount), dynamics)
  }

  /// Evaluations of the velocity field per trunk in an epoch that trains `steps`; guidance by two
  /// evaluations doubles it.
  ///
  /// Branching: `1 + (last branch step) + K sum over branch steps (N - 1 - i)`. Flow-GRPO: N.
  public func evaluationsPerTrunk(steps: [Int]) -> Int {
    guard case .branching(let branches) = method else { return schedule.stepCount }
    let trunk = finishesTrunks ? schedule.stepCount : (steps.max() ?? -1) + 1
    return trunk + branches * steps.reduce(0) { $0 + schedule.stepCount - 1 - $1 }
  }

  /// Rows that no call of the velocity field exceeds in a rollout of `trunks` trunks that trains
  /// `steps`.
  public func rowsPerCall(trunks: Int, steps: [Int]) -> Int {
    let largestBatch = microBatches(of: trunks, limit: trunksPerBatch).map(\.count).max() ?? 0
    return min(microBatch, largestBatch * max(1, samplesPerTrunk(steps: steps)))
  }

  /// Finished samples per trunk in an epoch that trains `steps`.
  public func samplesPerTrunk(steps: [Int]) -> Int {
    guard case .branching(let branches) = method else { return 1 }
    return branches * steps.count + (finishesTrunks ? 1 : 0)
  }
}

/// Why numbers make no rollout.
public enum RolloutPlanError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Fewer than two steps: the last is never trained.
  case tooFewSteps(Int)
  /// A count of branch steps that the schedule does not have.
  case stepCountOutOfRange(Int, trainable: Int)
  /// A branch step that the schedule does not have.
  case stepOutOfRange(Int, trainable: Int)
  /// A branch step listed twice.
  case repeatedStep(Int)
  /// No branches.
  case noBranches(Int)
  /// A trained step without noise has no log-probability.
  case noNoise(step: Int)

  public var description: String {
    switch self {
    case .tooFewSteps(let count):
      "\(count) denoising steps leave none to train; use at least 2"
    case .stepCountOutOfRange(let count, let trainable):
      "\(count) branch steps; choose 1 to \(trainable), the last step is never trained"
    case .stepOutOfRange(let step, let trainable):
      "branch step \(step) does not exist; choose from 0 to \(trainable - 1)"
    case .repeatedStep(let step):
      "branch step \(step) is listed twice; list it once"
    case .noBranches(let count):
      "\(count) branches per step; use at least 1, and 2 or more for a group to compare"
    case .noNoise(let step):
      "step \(step) adds no noise, so there is nothing to learn from; raise the noise level"
    }
  }
}
