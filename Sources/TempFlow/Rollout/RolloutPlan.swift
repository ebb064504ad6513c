public import FlowMatching

/// The rollout of a training method.
public enum RolloutMethod: Hashable, Sendable {
  /// TempFlow-GRPO: deterministic trunks; at every branch step, K branches leave each trunk by one
  /// stochastic step and finish deterministically. A reward belongs to one stochastic step.
  ///
  /// - Parameters:
  ///   - branches: K.
  ///   - tailStride: n, the sigmas that a branch moves on in each step after its stochastic one
  ///     (the last step may be shorter); 1 visits every sigma. Trunks visit every sigma.
  case branching(branches: Int, tailStride: Int = 1)
  /// Flow-GRPO: all steps of every sample are stochastic, the last one included, and its one reward
  /// counts for all trained steps.
  case flowGRPO
  /// Flow-GRPO-Fast and MixGRPO: Flow-GRPO with stochastic steps only where it trains.
  case flowGRPOFast
  /// No step is stochastic, and a sample's one reward counts for all trained steps, at whose sigmas
  /// a forward-process loss adds noise to the sample.
  case ode
}

extension RolloutMethod {
  /// K, the samples that share one (trunk, step); 1 without branching.
  var branchCount: Int {
    if case .branching(let branches, _) = self { branches } else { 1 }
  }

  /// The sigmas that a branch moves on in each step after its stochastic one.
  var tailStride: Int {
    if case .branching(_, let stride) = self { stride } else { 1 }
  }

  /// Rows per trunk in the calls of the velocity field at denoising step `step`, in an epoch that
  /// trains `steps`: the trunk until its last branching, and the earlier branches that visit the
  /// step's sigma.
  package func rowsPerTrunk(at step: Int, steps: [Int], finishesTrunks: Bool = false) -> Int {
    guard case .branching = self else { return 1 }
    let continuesTrunk = finishesTrunks || step <= (steps.max() ?? -1)
    return rowsPerColumn(at: step, steps: steps) * branchCount + (continuesTrunk ? 1 : 0)
  }

  /// Branches of one column that are evaluated at `step`.
  func rowsPerColumn(at step: Int, steps: [Int]) -> Int {
    steps.count { $0 < step && (step - $0 - 1) % tailStride == 0 }
  }

  /// The step that follows `step` on the path of a sample that left its trunk at `branchStep`; nil
  /// for a sample without branching. N ends the path.
  func next(after step: Int, branchStep: Int?, stepCount: Int) -> Int {
    guard let branchStep, step > branchStep else { return step + 1 }
    return min(step + tailStride, stepCount)
  }

  /// Finished samples per trunk in an epoch that trains `steps`.
  package func samplesPerTrunk(steps: [Int], finishesTrunks: Bool = false) -> Int {
    guard case .branching = self else { return 1 }
    return branchCount * steps.count + (finishesTrunks ? 1 : 0)
  }
}

/// The settings of a rollout, equal in every epoch.
public struct RolloutPlan: Hashable, Sendable {
  /// The sigmas.
  public let schedule: FlowSchedule
  /// The dynamics of stochastic steps.
  public let dynamics: Dynamics
  /// The rollout of the training method.
  public let method: RolloutMethod
  /// Which steps are trained.
  public let steps: BranchSteps
  /// The most rows in one call of the velocity field.
  public var microBatch = 64
  /// The most trunks in one rollout batch; further trunks follow in the next batch, while the
  /// samples of the first are scored. Bounds memory: a batch keeps the latents of every branch.
  public var trunksPerBatch = Int.max
  /// Whether trunks also run to sigma 0 and are passed on as samples (`step` nil). Of several
  /// processes, the one that has a trunk's first column does it.
  public var finishesTrunks = false

  /// A validated plan.
  ///
  /// - Throws: ``RolloutPlanError`` if the numbers do not fit together.
  public init(
    schedule: FlowSchedule, dynamics: Dynamics, method: RolloutMethod, steps: BranchSteps = .all
  ) throws(RolloutPlanError) {
    try steps.validate(stepCount: schedule.stepCount)
    if case .branching(let branches, let stride) = method {
      guard branches >= 1 else { throw .noBranches(branches) }
      guard stride >= 1 else { throw .noStride(stride) }
    }
    self.schedule = schedule
    self.dynamics = dynamics
    self.method = method
    self.steps = steps
    for step in steps.candidates(stepCount: schedule.stepCount)
    where method != .ode && schedule.step(step, dynamics).stdDev <= 0 {
      throw .noNoise(step: step)
    }
  }

  /// K, the samples that share one (trunk, step); 1 without branching.
  public var branchCount: Int { method.branchCount }

  /// c, the factor by which the noise-aware weights `c w_i` average to 1 over all trainable steps
  /// of the plan.
  public var weightNormalizer: Double {
    schedule.weightNormalizer(
      over: steps.candidates(stepCount: schedule.stepCount), dynamics)
  }

  /// Coefficients of all trainable steps of the plan.
  var candidates: [StepCoefficients] {
    steps.candidates(stepCount: schedule.stepCount).map { schedule.step($0, dynamics) }
  }

  /// Whether the noise limit of the dynamics lowers the noise of a step that may be stochastic.
  package var isNoiseLimited: Bool {
    let stochastic =
      method == .flowGRPO
      ? Array(0..<schedule.stepCount) : steps.candidates(stepCount: schedule.stepCount)
    return stochastic.contains {
      schedule.step($0, dynamics).stdDev < schedule.step($0, dynamics.unlimited).stdDev
    }
  }

  /// Evaluations of the velocity field per trunk (NFE) in an epoch that trains `steps`;
  /// classifier-free guidance doubles it.
  ///
  /// Branching: `1 + (last branch step) + K sum over branch steps ceil((N - 1 - i) / n)` with the
  /// tail's stride n, and `N` in place of the first two terms if trunks are finished. Flow-GRPO: N.
  public func evaluationsPerTrunk(steps: [Int]) -> Int {
    (0..<schedule.stepCount).reduce(0) {
      $0 + method.rowsPerTrunk(at: $1, steps: steps, finishesTrunks: finishesTrunks)
    }
  }

  /// An upper bound of the rows in one call of the velocity field, for a rollout of `trunks` trunks
  /// that trains `steps`.
  public func rowsPerCall(trunks: Int, steps: [Int]) -> Int {
    let largestBatch = microBatches(of: trunks, limit: trunksPerBatch).map(\.count).max() ?? 0
    let rowsPerTrunk = (0..<schedule.stepCount).map {
      method.rowsPerTrunk(at: $0, steps: steps, finishesTrunks: finishesTrunks)
    }
    return min(microBatch, largestBatch * (rowsPerTrunk.max() ?? 1))
  }

  /// Finished samples per trunk in an epoch that trains `steps`.
  public func samplesPerTrunk(steps: [Int]) -> Int {
    method.samplesPerTrunk(steps: steps, finishesTrunks: finishesTrunks)
  }

  /// The columns of a rollout, ordered trunk by trunk: a column is one branch number of one trunk,
  /// at every trained step. All columns cost the same, so processes share a rollout by columns; the
  /// trunk itself is walked by every process that has one of its columns. The process that has the
  /// first of them finishes it, if ``finishesTrunks``.
  public func columns(trunks: Int) -> Int { method.columns(trunks: trunks) }

  /// Evaluations of the velocity field in one share of a rollout that trains `steps`.
  package func evaluations(by share: WorkShare, trunks: Int, steps: [Int]) -> Int {
    rows(by: share, trunks: trunks, steps: steps).reduce(0, +)
  }

  /// Calls of the velocity field in one share of a rollout that trains `steps`.
  package func calls(by share: WorkShare, trunks: Int, steps: [Int]) -> Int {
    rows(by: share, trunks: trunks, steps: steps)
      .reduce(0) { $0 + microBatchCount(of: $1, limit: microBatch) }
  }

  private func rows(by share: WorkShare, trunks: Int, steps: [Int]) -> [Int] {
    method.rows(
      by: share, trunks: trunks, trunksPerBatch: trunksPerBatch, stepCount: schedule.stepCount,
      steps: steps, finishesTrunks: finishesTrunks)
  }
}

/// Why a rollout plan is invalid.
public enum RolloutPlanError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Fewer than two steps; the last is never trained.
  case tooFewSteps(Int)
  /// The schedule has fewer trainable steps.
  case stepCountOutOfRange(Int, trainable: Int)
  /// The schedule has no such trainable step.
  case stepOutOfRange(Int, trainable: Int)
  /// A branch step listed twice.
  case repeatedStep(Int)
  /// No branches.
  case noBranches(Int)
  /// The steps of a branch's tail do not move on.
  case noStride(Int)
  /// A trained step without noise, which has no log-probability.
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
    case .noStride(let stride):
      "a tail's stride of \(stride); use at least 1"
    case .noNoise(let step):
      "step \(step) adds no noise, so there is nothing to learn from; raise the noise level"
    }
  }
}
