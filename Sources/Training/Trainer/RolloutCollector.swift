internal import DiffusionModels
internal import FlowMatching
internal import Foundations
internal import ProcessGroups
internal import Rewards
internal import Runs
internal import TempFlow
internal import Torch

/// The rollout of an epoch with the scores of its images.
struct ScoredRollout {
  let rollout: Rollout
  /// The samples of all processes: trunk by trunk, step by step, branch by branch.
  let samples: [SampleID]
  let scores: ImageScores
  /// Rows of the network, guidance included, as one process evaluates them.
  let nfe: Int

  /// One row per decision: step by step, trunk by trunk, branch by branch.
  var rewardRows: [RewardRow] {
    rollout.rewardRows(Dictionary(uniqueKeysWithValues: zip(samples, scores.rewards)))
  }
}

/// The images that one process made, and their scores.
private struct RankScores: Codable {
  var samples: [SampleID] = []
  var scores = ImageScores()
  var failures = FailedImages()
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
    let (rollout, own) = try await context.group.agree("the rollout") {
      try await rollOutAndScore(prompts, trunks, velocity, epoch: epoch, stopwatch)
    }
    stopwatch.begin(.reward)
    defer { stopwatch.end() }
    let parts = try context.group.gather(own, "the scores")
    var all = RankScores()
    for part in parts {
      all.samples += part.samples
      all.scores.append(part.scores)
      all.failures.add(part.failures)
    }
    if let text = all.failures.text(of: all.samples.count) {
      try context.message("warning: epoch \(epoch + 1): \(text)")
    }
    let order = all.samples.indices.sorted { all.samples[$0].isBefore(all.samples[$1]) }
    let evaluations = trunks.count * context.plan.evaluationsPerTrunk(steps: rollout.steps)
    return ScoredRollout(
      rollout: rollout, samples: order.map { all.samples[$0] },
      scores: all.scores.reordered(order), nfe: evaluations * velocity.networkRows)
  }

  private func rollOutAndScore(
    _ prompts: [Prompt], _ trunks: [TrunkID], _ velocity: PolicyVelocity, epoch: Int,
    _ stopwatch: PhaseStopwatch
  ) async throws -> (Rollout, RankScores) {
    let sources = try context.conditionImages.of(
      prompts, for: context.recipe.rewards.map(\.reward))
    let queue = ScoringQueue(scorer)
    // Scores still missing when this returns or throws have no reader.
    defer { queue.cancel() }
    var own = RankScores()
    // Where calls of the network are collectives, a failed reward must not cut them short.
    var failure: RewardError?
    let field = field(velocity, trunks, epoch: epoch)
    let rollout = try rollOut(trunks, field, epoch: epoch, stopwatch) {
      finished throws(RewardError) in
      let images = context.memory.measure(.decode, by: stopwatch) {
        context.policy.decode(finished.latents)
      }
      let batch = zip(images, finished.ids).map { image, id in
        let index = trunks[id.trunk].prompt
        own.failures.add(image, of: prompts[index], id)
        return image.map {
          RewardSample(image: $0, sources: sources[index], prompt: prompts[index])
        }
      }
      own.samples += finished.ids
      guard failure == nil else { return }
      do throws(RewardError) {
        try stopwatch.measure(.reward) { () throws(RewardError) in try queue.add(batch) }
      } catch {
        guard context.sharesWeights else { throw error }
        failure = error
      }
    }
    if context.sharesWeights { velocity.idle(idleCalls(trunks.count, epoch: epoch)) }
    if let failure { throw failure }
    stopwatch.begin(.reward)
    defer { stopwatch.end() }
    own.scores = try await queue.finish()
    return (rollout, own)
  }

  private func rollOut(
    _ trunks: [TrunkID], _ field: @escaping VelocityField, epoch: Int, _ stopwatch: PhaseStopwatch,
    finished: (FinishedSamples) throws(RewardError) -> Void
  ) throws(RewardError) -> Rollout {
    try context.memory.measure(.rollout, by: stopwatch) { () throws(RewardError) in
      try TorchRuntime.withSingleThreadedOps { () throws(RewardError) in
        try TempFlow.rollOut(
          context.plan, trunks: trunks, share: context.share, noise: context.noise(epoch: epoch),
          field: field, finished: finished)
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
