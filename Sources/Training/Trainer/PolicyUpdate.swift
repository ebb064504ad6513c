internal import Foundations
internal import ProcessGroups
internal import Runs
internal import TempFlow
internal import Torch
internal import TorchNN

/// What one optimizer update measured.
struct UpdateReport {
  let statistics: PolicyStatistics
  /// Joint norm before clipping.
  let gradientNorm: Double
  let learningRate: Double
  /// The factor of the gradients after the update; nil where the network is not float16.
  let lossScale: Double?
}

/// The updates of an epoch: gradients of the loss, clipping, AdamW, moving average.
@MainActor
final class PolicyUpdate {
  let optimizer: AdamW
  let average: ExponentialMovingAverage
  private let context: TrainingContext
  private let split: UpdateSplit
  /// Whether the optimizer's operators are faster on one thread: over few parameters, the threads
  /// of one operator take longer to meet than to compute.
  private let isSmall: Bool
  /// Kept from an epoch's first update to its last.
  private var keptSum: GradientSum?

  private var recipe: TrainingRecipe { context.recipe }
  private var objective: PolicyObjective { recipe.loss.objective }

  init(_ context: TrainingContext) {
    let recipe = context.recipe
    self.context = context
    split = UpdateSplit(recipe)
    optimizer = AdamW(context.policy.trainable, recipe.optimizer.settings)
    average = ExponentialMovingAverage(
      context.policy.trainable, limit: recipe.ema.decay, interval: recipe.ema.updateEvery)
    let count = context.policy.trainable.reduce(0) { $0 + $1.tensor.count }
    isSmall = recipe.device == .cpu && count <= 8 << 20
  }

  /// Training samples of one forward pass at most. On a GPU all passes have this size
  /// (`UpdateSplit.samplesPerPass`).
  private var microBatch: Int {
    recipe.device == .cpu
      ? recipe.optimizer.microBatch : split.samplesPerPass
  }

  /// The samples of one update, and what their loss is computed from.
  private struct Batch {
    let samples: [TrainingSample]
    /// Whether the weights are those of the old policy.
    let isOnPolicy: Bool
    let rollout: Rollout
    let velocity: PolicyVelocity
    let counter: EvaluationCounter
  }

  /// Makes all updates of an epoch.
  ///
  /// - Parameters:
  ///   - velocity: of the rollout's trunks.
  ///   - state: before the epoch; its updates and its loss scale go on.
  ///   - stopwatch: gets the phase `optimizer`.
  /// - Throws: `TrainingError.invariant` when an update fails its checks.
  func run(
    on rollout: Rollout, _ advantages: Advantages, _ velocity: PolicyVelocity,
    _ state: inout TrainingState, _ stopwatch: PhaseStopwatch
  ) throws -> [UpdateReport] {
    let samples = rollout.trainingSamples(advantages)
    let updates = split.updates(epoch: state.epoch).map { $0.map { samples[$0] } }
    var rollout = try exchange(rollout, updates)
    let isCurrent = recipe.loss.forward?.old.isCurrent(afterUpdates: state.updates) ?? true
    if recipe.loss.oldLogProb == .recomputed {
      recomputeOldVelocities(of: updates, velocity, &rollout)
    }
    optimizer.configuration.learningRate = recipe.optimizer.learningRate(
      at: state.progress(of: recipe))
    let counter = counter("learning", updates)
    defer {
      keptSum = nil
      optimizer.zeroGradients()
    }
    let reports = try updates.enumerated().map { index, samples in
      let batch = Batch(
        samples: samples, isOnPolicy: index == 0 && isCurrent, rollout: rollout,
        velocity: velocity, counter: counter)
      return try update(index, from: batch, &state, stopwatch)
    }
    if let old = recipe.loss.forward?.old {
      context.policy.old?.blend(decay: old.decay(afterUpdates: state.updates))
    }
    return reports
  }

  /// One optimizer update.
  private func update(
    _ index: Int, from batch: Batch, _ state: inout TrainingState, _ stopwatch: PhaseStopwatch
  ) throws -> UpdateReport {
    if recipe.dtype == .float16, state.lossScale == nil {
      state.lossScale = LossScale(
        elements: context.policy.latentShape.reduce(1, *),
        samples: objective.averagedCount(of: batch.samples))
    }
    var (statistics, norm) = try gradients(of: batch, scale: state.lossScale)
    do {
      try check(statistics, isFirst: index == 0)
      // Gradients beyond float16's range change no weight: the same update once more.
      while !norm.isFinite, state.lossScale?.lower() == true {
        (statistics, norm) = try gradients(of: batch, scale: state.lossScale)
      }
      guard norm.isFinite else {
        throw keptSum?.limit.map { InvariantError.gradientRange(limit: $0) }
          ?? .notFinite(what: "the gradient", step: nil)
      }
    } catch let error as InvariantError {
      throw try context.invariant(
        epoch: state.epoch + 1, update: index + 1, reason: error.description)
    }
    state.lossScale?.succeed()
    stopwatch.measure(.optimizer) { step() }
    state.updates += 1
    return UpdateReport(
      statistics: statistics, gradientNorm: norm,
      learningRate: optimizer.configuration.learningRate, lossScale: state.lossScale?.value)
  }

  private func step() {
    TorchRuntime.withThreads(isSmall ? 1 : TorchRuntime.threadCount) {
      optimizer.step()
      average.update()
    }
  }

  /// Moves the states of the samples that each process trains to it.
  private func exchange(
    _ rollout: Rollout, _ updates: [[TrainingSample]]
  ) throws(ProcessGroupError) -> Rollout {
    guard context.group.size > 1 else { return rollout }
    let wanted = (0..<context.group.size).map { rank in
      updates.flatMap { trained($0, by: WorkShare(rank, of: context.group.size)) }
    }
    return try RolloutExchange(group: context.group).exchange(rollout, wanted)
  }

  /// Forward and backward passes of an update, over all processes.
  private func passes(of update: [TrainingSample]) -> Int {
    microBatchCount(of: update.count { !recipe.loss.skips($0) }, limit: microBatch)
  }

  /// Passes among `passes` that another process has beyond this one's.
  private func idlePasses(of passes: Int) -> Int {
    context.share.most(of: passes) - context.share.range(of: passes).count
  }

  /// The samples of an update that a process evaluates.
  private func trained(_ update: [TrainingSample], by share: WorkShare) -> [TrainingSample] {
    let active = update.filter { !recipe.loss.skips($0) }
    return share.microBatches(of: active.count, limit: microBatch)
      .flatMap { active[$0] }
  }

  /// Leaves the clipped gradient of the batch's loss in the trainable parameters, the same in every
  /// process.
  ///
  /// - Returns: what happened, and the joint norm before clipping.
  /// - Throws: `ProcessGroupError`.
  private func gradients(
    of batch: Batch, scale: LossScale?
  ) throws(ProcessGroupError) -> (PolicyStatistics, norm: Double) {
    let scale = scale?.value ?? 1
    let trainable = context.policy.trainable
    let passes = passes(of: batch.samples)
    let sum = keptSum ?? GradientSum(trainable, context.group)
    keptSum = sum
    optimizer.zeroGradients()
    sum.begin(passes: passes, scale: scale)
    let statistics = try batch.velocity.update(rowsPerCall: microBatch) {
      policy throws(ProcessGroupError) in
      try gradient(
        of: batch, policy, scale: scale,
        backward: {
          policy.backward($0, $1)
          sum.add()
        },
        collect: { rows throws(ProcessGroupError) in
          idle(passes, policy, evaluatesOld: !batch.isOnPolicy)
          return try context.group.gather(rows, "an update's statistics")
        })
    }
    try sum.finish()
    return (statistics, clipGradientNorm(trainable, limit: recipe.optimizer.maxGradNorm))
  }

  /// The forward and backward passes of this process.
  private func gradient(
    of batch: Batch, _ policy: UpdateVelocity, scale: Double,
    backward: (Tensor, Tensor) -> Void,
    collect: ([Float]) throws(ProcessGroupError) -> [Float]
  ) throws(ProcessGroupError) -> PolicyStatistics {
    let field = batch.counter.counting(policy.velocity)
    guard let forward = recipe.loss.forward else {
      return try policyGradient(
        objective, rollout: batch.rollout, samples: batch.samples, microBatch: microBatch,
        share: context.share, gradientScale: scale, field: field, reference: policy.reference,
        backward: backward, collect: collect)
    }
    return try forwardProcessGradient(
      forward.objective, rollout: batch.rollout, samples: batch.samples, microBatch: microBatch,
      share: context.share, gradientScale: scale, field: field,
      old: batch.isOnPolicy ? nil : policy.old, reference: policy.reference,
      backward: backward, collect: collect)
  }

  /// Makes the passes of an update that other processes have beyond this one's, where passes are
  /// collectives.
  private func idle(_ passes: Int, _ policy: UpdateVelocity, evaluatesOld: Bool) {
    let idlePasses = idlePasses(of: passes)
    guard context.sharesWeights, idlePasses > 0 else { return }
    // No pass of its own is in the parameters: it has fewer than another process.
    policy.idle(passes: idlePasses, evaluatesOld: evaluatesOld)
    optimizer.zeroGradients()
  }

  private func check(
    _ statistics: PolicyStatistics, isFirst: Bool
  ) throws(InvariantError) {
    try statistics.checkFinite()
    // A loss on finished samples has no log-probabilities of the rollout.
    guard isFirst, recipe.loss.forward == nil else { return }
    try statistics.checkFirstUpdate(
      clipRange: objective.clipRange.narrow, recomputed: recipe.loss.oldLogProb == .recomputed)
  }

  /// Evaluates the samples of all updates but the first under the weights before the first.
  private func recomputeOldVelocities(
    of updates: [[TrainingSample]], _ velocity: PolicyVelocity, _ rollout: inout Rollout
  ) {
    let counter = counter("old velocities", Array(updates.dropFirst()))
    velocity.update(rowsPerCall: microBatch) { policy in
      rollout.recomputeOldVelocities(
        of: updates, objective, microBatch: microBatch, share: context.share,
        field: counter.counting(policy.velocity))
    }
    guard context.sharesWeights else { return }
    velocity.idle(
      updates.dropFirst().reduce(0) { $0 + idlePasses(of: passes(of: $1)) })
  }

  private func counter(_ part: String, _ updates: [[TrainingSample]]) -> EvaluationCounter {
    EvaluationCounter(
      part, of: updates.reduce(0) { $0 + trained($1, by: context.share).count },
      context.output.progress)
  }
}
