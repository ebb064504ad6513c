internal import TempFlow

/// What one rank does in an epoch, at most: skipped samples are counted.
package struct RankWork: Encodable, Sendable, Equatable {
  /// Columns of the rollout, and the trunks that they leave; see `RolloutPlan.columns`.
  package var columns, trunks: Int
  /// The trunks that the rank follows to their own images.
  package var finishedTrunks: Int
  /// Calls of the network in the rollout.
  package var rolloutCalls: Int
  /// Rows of those calls, including guidance.
  package var rolloutEvaluations: Int
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
    case finishedTrunks = "finished_trunks"
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
    let share = WorkShare(rank, of: division.ranks)
    columns = division.columns(of: rank).count
    trunks = division.trunks(of: rank).count
    finishedTrunks =
      recipe.finishesTrunks ? method.firstColumns(among: division.columns(of: rank)).count : 0
    images = columns * method.samplesPerColumn(steps: steps) + finishedTrunks
    trainingSamples = division.samples(of: rank)
    passes = division.passes(of: rank).count
    evaluationPrompts = share.range(of: prompts.evaluation).count
    let batch = PromptCache.batch
    encodedPrompts = stride(
      from: rank * batch, to: prompts.encoded, by: division.ranks * batch
    ).reduce(0) { $0 + min(batch, prompts.encoded - $1) }
    let rows = method.rows(
      by: share, trunks: division.trunks,
      trunksPerBatch: sampling.trunksPerRolloutBatch ?? division.trunks,
      stepCount: sampling.steps, steps: steps, finishesTrunks: recipe.finishesTrunks)
    rolloutCalls = rows.reduce(0) { $0 + microBatchCount(of: $1, limit: sampling.microBatch) }
    rolloutEvaluations = rows.reduce(0, +) * recipe.guidance.rowsPerSample
  }
}
