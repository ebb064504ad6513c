internal import TempFlow

/// What one rank does in an epoch, at most: skipped samples are counted.
package struct RankWork: Encodable, Sendable, Equatable {
  /// Columns of the rollout, and the trunks that they leave; see `RolloutPlan.columns`.
  package var columns, trunks: Int
  /// Calls of the network in the rollout.
  package var rolloutCalls = 0
  /// Rows of those calls, including guidance.
  package var rolloutEvaluations = 0
  /// Images that the rank decodes and has scored.
  package var images: Int
  /// Training samples of one update.
  package var trainingSamples: Int
  /// Forward and backward passes of one update; 0 where an update has fewer than ranks.
  package var passes: Int
  /// Images of an evaluation.
  package var evaluationPrompts: Int
  /// Prompts of the run that the rank encodes, if the cache has none of them.
  package var encodedPrompts: Int

  private enum CodingKeys: String, CodingKey {
    case columns, trunks, images, passes
    case rolloutCalls = "rollout_calls"
    case rolloutEvaluations = "rollout_nfe"
    case trainingSamples = "training_samples_per_update"
    case evaluationPrompts = "evaluation_prompts"
    case encodedPrompts = "encoded_prompts"
  }
}

extension RankWork {
  /// The work of `rank` in an epoch that trains `steps`.
  ///
  /// - Parameter prompts: of an evaluation, and of the whole run.
  init(
    _ recipe: TrainingRecipe, _ division: WorkDivision, rank: Int, steps: [Int],
    prompts: (evaluation: Int, encoded: Int)
  ) {
    let sampling = recipe.sampling
    let method = sampling.rolloutMethod
    let own = division.trunks(of: rank)
    columns = division.columns(of: rank).count
    trunks = own.count
    images = columns * method.samplesPerColumn(steps: steps)
    trainingSamples = division.samples(of: rank)
    passes = division.passes(of: rank).count
    evaluationPrompts = WorkShare(rank, of: division.ranks).range(of: prompts.evaluation).count
    let batch = PromptCache.batch
    encodedPrompts = stride(
      from: rank * batch, to: prompts.encoded, by: division.ranks * batch
    ).reduce(0) { $0 + min(batch, prompts.encoded - $1) }
    let limit = sampling.trunksPerRolloutBatch ?? trunks
    for part in microBatches(of: trunks, limit: limit) {
      let columns = part.reduce(0) {
        $0
          + method.branches(of: own.lowerBound + $1, among: division.columns(of: rank)).count
      }
      for step in 0..<sampling.steps {
        let rows = method.rows(trunks: part.count, columns: columns, at: step, steps: steps)
        rolloutCalls += microBatches(of: rows, limit: sampling.microBatch).count
        rolloutEvaluations += rows * recipe.guidance.rowsPerSample
      }
    }
  }
}
