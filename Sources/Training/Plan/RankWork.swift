internal import TempFlow

/// What one rank does in an epoch, at most: skipped samples are counted.
package struct RankWork: Encodable, Sendable, Equatable {
  /// Columns of the rollout, and the trunks that they leave; see `WorkDivision`.
  package var columns, trunks: Int
  /// Calls of the network in the rollout.
  package var rolloutCalls = 0
  /// Rows of those calls, including guidance.
  package var rolloutEvaluations = 0
  /// Images that the rank decodes and has scored.
  package var images: Int
  /// Training samples of one update.
  package var trainingSamples: Int
  /// Forward and backward passes of one update.
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
  /// Prompts that are dealt to a rank for encoding at once.
  private static let encodedTogether = 64

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
    trainingSamples = division.samples(of: rank).count
    passes = division.passesPerUpdate
    let (ranks, batch) = (division.ranks, Self.encodedTogether)
    evaluationPrompts = share(rank, of: ranks, count: prompts.evaluation).count
    let batches = share(rank, of: ranks, count: (prompts.encoded + batch - 1) / batch)
    encodedPrompts = batches.count * batch
    if batches.upperBound * batch > prompts.encoded, !batches.isEmpty {
      encodedPrompts -= batches.upperBound * batch - prompts.encoded
    }
    let limit = sampling.trunksPerRolloutBatch ?? max(1, trunks)
    for part in microBatches(of: trunks, limit: limit) {
      let branches = part.reduce(0) {
        $0 + division.branches(of: own.lowerBound + $1, on: rank).count
      }
      for step in 0..<sampling.steps {
        let rows = method.rows(trunks: part.count, columns: branches, at: step, steps: steps)
        rolloutCalls += microBatches(of: rows, limit: sampling.microBatch).count
        rolloutEvaluations += rows * recipe.guidance.rowsPerSample
      }
    }
  }
}

extension RolloutMethod {
  /// Rows in the calls at denoising step `step` for trunks of which `columns` branch numbers are
  /// walked together.
  func rows(trunks: Int, columns: Int, at step: Int, steps: [Int]) -> Int {
    guard case .branching = self else { return trunks }
    let trunk = Self.branching(branches: 0).rowsPerTrunk(at: step, steps: steps)
    let withBranch = Self.branching(branches: 1).rowsPerTrunk(at: step, steps: steps)
    return trunks * trunk + columns * (withBranch - trunk)
  }

  /// Finished samples of one column.
  func samplesPerColumn(steps: [Int]) -> Int {
    guard case .branching = self else { return 1 }
    return Self.branching(branches: 1).samplesPerTrunk(steps: steps)
  }
}
