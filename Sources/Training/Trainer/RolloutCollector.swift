internal import DiffusionModels
internal import FlowMatching
internal import Foundations
internal import ImageFiles
internal import ProcessGroups
internal import Rewards
internal import Runs
internal import TempFlow
internal import Torch

/// The rollout of an epoch with the scores of its images.
struct ScoredRollout {
  let rollout: Rollout
  /// The samples of all processes: trunk by trunk, step by step, branch by branch. A finished
  /// trunk's own sample comes before its branches.
  let samples: [SampleID]
  /// Of all samples.
  let scores: ImageScores
  /// Rows of the network, guidance included, as one process evaluates them.
  let nfe: Int

  /// One row per decision: step by step, trunk by trunk, branch by branch.
  var rewardRows: [RewardRow] { rollout.rewardRows(rewards) }

  /// The rewards of the trunks' own images; none if the rollout does not finish trunks.
  var trunkRewards: [TrunkID: [Double?]] { rollout.trunkRewards(rewards) }

  private var rewards: [SampleID: [Double?]] {
    Dictionary(uniqueKeysWithValues: zip(samples, scores.rewards))
  }

  /// The scores of the sampled images, without finished trunks, which no stochastic step decides.
  var sampled: ImageScores { scores.reordered(samples.indices.filter { !isTrunk(samples[$0]) }) }

  /// The scores of the finished trunks' own images.
  var trunks: ImageScores { scores.reordered(samples.indices.filter { isTrunk(samples[$0]) }) }

  private func isTrunk(_ sample: SampleID) -> Bool {
    rollout.plan.finishesTrunks && sample.step == nil
  }
}

/// Makes the images of an epoch, and scores them on other threads meanwhile.
@MainActor
struct RolloutCollector {
  let context: TrainingContext
  let scorer: Scorer

  /// Rolls out an epoch and waits for the last scores of all processes.
  ///
  /// - Parameters:
  ///   - trunks: the trunks of `prompts`.
  ///   - velocity: of these trunks.
  ///   - stopwatch: gets the phases `rollout`, `decode` and `reward`.
  /// - Throws: `RewardError`; `RunError` when a warning cannot be logged; `TrainingError` for a
  ///   condition image that cannot be read; the failure of another process.
  func collect(
    _ prompts: [Prompt], _ trunks: [TrunkID], _ velocity: PolicyVelocity, epoch: Int,
    _ stopwatch: PhaseStopwatch
  ) async throws -> ScoredRollout {
    try await context.scoring(by: scorer) { queue in
      try await collect(prompts, trunks, velocity, epoch: epoch, into: queue, stopwatch)
    }
  }

  private func collect(
    _ prompts: [Prompt], _ trunks: [TrunkID], _ velocity: PolicyVelocity, epoch: Int,
    into queue: ScoringQueue, _ stopwatch: PhaseStopwatch
  ) async throws -> ScoredRollout {
    let sources = try context.group.agree("the source images") {
      try context.conditionImages.of(prompts, for: context.recipe.rewards.map(\.reward))
    }
    let (rollout, own) = try context.group.agree("the rollout") {
      try rollOut(prompts, trunks, velocity, sources, epoch: epoch, into: queue, stopwatch)
    }
    stopwatch.begin(.reward)
    defer { stopwatch.end() }
    let scoring = SharedScoring(
      group: context.group, queue: queue, size: context.policy.imageSize,
      progress: context.output.progress
    ) { id, image in
      let index = trunks[id.trunk].prompt
      return RewardSample(image: image, sources: sources[index], prompt: prompts[index])
    }
    let pieces = try await scoring.finish("the scores")
    var failures = FailedImages()
    for part in try context.group.gather(own, "the scores") { failures.add(part) }
    let samples = pieces.flatMap(\.samples)
    if let text = failures.text(of: samples.count) {
      try context.message("warning: epoch \(epoch + 1): \(text)")
    }
    let order = samples.indices.sorted { samples[$0].isBefore(samples[$1]) }
    let evaluations = trunks.count * context.plan.evaluationsPerTrunk(steps: rollout.steps)
    return ScoredRollout(
      rollout: rollout, samples: order.map { samples[$0] },
      scores: scorer.combine(pieces).reordered(order), nfe: evaluations * velocity.networkRows)
  }

  /// Rolls out this process's share, and queues its images.
  private func rollOut(
    _ prompts: [Prompt], _ trunks: [TrunkID], _ velocity: PolicyVelocity,
    _ sources: [[PixelBuffer]], epoch: Int, into queue: ScoringQueue, _ stopwatch: PhaseStopwatch
  ) throws(RewardError) -> (Rollout, FailedImages) {
    var failures = FailedImages()
    var count = 0
    // Where calls of the network are collectives, a failed reward must not cut them short.
    var failure: RewardError?
    let field = field(velocity, trunks, epoch: epoch)
    let rollout = try rollOut(trunks, field, epoch: epoch, stopwatch) {
      finished throws(RewardError) in
      let images = context.memory.measure(.decode, by: stopwatch) {
        context.policy.decode(finished.latents)
      }
      let inputs = zip(images, finished.ids).map { image, id in
        let index = trunks[id.trunk].prompt
        failures.add(image, of: prompts[index], id)
        return image.map {
          RewardSample(image: $0, sources: sources[index], prompt: prompts[index])
        }
      }
      guard failure == nil else { return }
      let piece = ScoringPiece(
        .init(rank: context.group.rank, number: count), finished.ids, inputs)
      count += 1
      do throws(RewardError) {
        try stopwatch.measure(.reward) { () throws(RewardError) in try queue.add(piece) }
      } catch {
        guard context.sharesWeights else { throw error }
        failure = error
      }
    }
    if context.sharesWeights { velocity.idle(idleCalls(trunks.count, epoch: epoch)) }
    if let failure { throw failure }
    return (rollout, failures)
  }

  private func rollOut(
    _ trunks: [TrunkID], _ field: @escaping VelocityField, epoch: Int, _ stopwatch: PhaseStopwatch,
    finished: (FinishedSamples) throws(RewardError) -> Void
  ) throws(RewardError) -> Rollout {
    try context.memory.measure(.rollout, by: stopwatch) { () throws(RewardError) in
      try TorchRuntime.withSingleThreadedOps { () throws(RewardError) in
        try context.policy.withOldPolicy { () throws(RewardError) in
          try TempFlow.rollOut(
            context.plan, trunks: trunks, share: context.share, noise: context.noise(epoch: epoch),
            field: field, finished: finished)
        }
      }
    }
  }

  /// Calls of the network in the longest share of a rollout beyond those of this process's.
  private func idleCalls(_ trunks: Int, epoch: Int) -> Int {
    let (plan, steps) = (context.plan, context.trainedSteps(epoch: epoch))
    let calls = (0..<context.group.size).map {
      plan.calls(by: WorkShare($0, of: context.group.size), trunks: trunks, steps: steps)
    }
    return (calls.max() ?? 0) - calls[context.group.rank]
  }

  private func field(
    _ velocity: PolicyVelocity, _ trunks: [TrunkID], epoch: Int
  ) -> VelocityField {
    let plan = context.plan
    let steps = context.trainedSteps(epoch: epoch)
    let counter = EvaluationCounter(
      Phase.rollout.rawValue,
      of: plan.evaluations(by: context.share, trunks: trunks.count, steps: steps),
      context.output.progress)
    let most = plan.method.mostTrunks(
      processes: context.group.size, trunks: trunks.count)
    let rows = plan.rowsPerCall(trunks: most, steps: steps)
    return counter.counting(velocity.rollout(rowsPerCall: rows))
  }
}

extension SampleID {
  /// Trunk by trunk, step by step, branch by branch: an order that does not depend on how the
  /// samples were made.
  fileprivate func isBefore(_ other: SampleID) -> Bool {
    (trunk, step ?? -1, branch) < (other.trunk, other.step ?? -1, other.branch)
  }
}
