internal import DiffusionModels
internal import FlowMatching
internal import Foundations
internal import Rewards
internal import Runs
internal import TempFlow
internal import Torch

/// The rollout of an epoch with the scores of its images.
struct ScoredRollout {
  let rollout: Rollout
  /// The samples in the order of their images.
  let samples: [SampleID]
  let scores: ImageScores
  /// Rows of the network, guidance included.
  let nfe: Int

  /// One row per decision: step by step, trunk by trunk, branch by branch.
  var rewardRows: [RewardRow] {
    rollout.rewardRows(Dictionary(uniqueKeysWithValues: zip(samples, scores.rewards)))
  }
}

/// Makes the images of an epoch, and scores them on other threads meanwhile.
@MainActor
struct RolloutCollector {
  let context: TrainingContext
  let scorer: Scorer

  /// Rolls out an epoch and waits for the last scores.
  ///
  /// - Parameters:
  ///   - trunks: the trunks of `prompts`.
  ///   - velocity: of these trunks.
  ///   - stopwatch: gets the phases `rollout`, `decode` and `reward`.
  /// - Throws: `RewardError`; `RunError` when a warning cannot be logged; `TrainingError` for a
  ///   condition image that cannot be read.
  func collect(
    _ prompts: [Prompt], _ trunks: [TrunkID], _ velocity: PolicyVelocity, epoch: Int,
    _ stopwatch: PhaseStopwatch
  ) async throws -> ScoredRollout {
    let sources = try context.conditionImages.of(
      prompts, for: context.recipe.rewards.map(\.reward))
    let queue = ScoringQueue(scorer)
    // Scores still missing when this returns or throws have no reader.
    defer { queue.cancel() }
    var samples: [SampleID] = []
    var failures = FailedImages()
    let (field, counter) = field(velocity, trunks, epoch: epoch)
    let rollout = try rollOut(trunks, field, epoch: epoch, stopwatch) {
      finished throws(RewardError) in
      let images = context.memory.measure(.decode, by: stopwatch) {
        context.policy.decode(finished.latents)
      }
      let batch = zip(images, finished.ids).map { image, id in
        let index = trunks[id.trunk].prompt
        failures.add(image, of: prompts[index], id)
        return image.map {
          RewardSample(image: $0, sources: sources[index], prompt: prompts[index])
        }
      }
      try stopwatch.measure(.reward) { () throws(RewardError) in try queue.add(batch) }
      samples += finished.ids
    }
    stopwatch.begin(.reward)
    defer { stopwatch.end() }
    let scores = try await queue.finish()
    if let text = failures.text(of: samples.count) {
      try context.output.message("warning: epoch \(epoch + 1): \(text)")
    }
    return ScoredRollout(
      rollout: rollout, samples: samples, scores: scores, nfe: counter.rows * velocity.networkRows)
  }

  private func rollOut(
    _ trunks: [TrunkID], _ field: @escaping VelocityField, epoch: Int, _ stopwatch: PhaseStopwatch,
    finished: (FinishedSamples) throws(RewardError) -> Void
  ) throws(RewardError) -> Rollout {
    try context.memory.measure(.rollout, by: stopwatch) { () throws(RewardError) in
      try TorchRuntime.withSingleThreadedOps { () throws(RewardError) in
        try TempFlow.rollOut(
          context.plan, trunks: trunks, noise: context.noise(epoch: epoch), field: field,
          finished: finished)
      }
    }
  }

  private func field(
    _ velocity: PolicyVelocity, _ trunks: [TrunkID], epoch: Int
  ) -> (VelocityField, EvaluationCounter) {
    let plan = context.plan
    let steps = context.trainedSteps(epoch: epoch)
    let counter = EvaluationCounter(
      Phase.rollout.rawValue, of: trunks.count * plan.evaluationsPerTrunk(steps: steps),
      context.output.progress)
    let rows = plan.rowsPerCall(trunks: trunks.count, steps: steps)
    return (counter.counting(velocity.rollout(rowsPerCall: rows)), counter)
  }
}
