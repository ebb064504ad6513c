internal import TempFlow

/// How the work of an epoch is divided among the ranks of a run.
///
/// The unit of a rollout is the column: one branch number of one trunk, over all trained steps
/// (Flow-GRPO: one trunk). Columns are ordered trunk by trunk, and each rank takes consecutive
/// ones. A trunk with columns on two ranks is walked by both.
///
/// The samples of an update are split into as few micro-batches as the limit allows, their number
/// rounded up to a multiple of the ranks, so that every rank makes equally many passes.
package struct WorkDivision: Sendable, Equatable {
  /// N, the processes of the run.
  package let ranks: Int
  /// T, trunks of an epoch.
  package let trunks: Int
  /// K, the columns of one trunk; 1 for Flow-GRPO.
  package let branches: Int
  /// Training samples of one update.
  package let samplesPerUpdate: Int
  /// Maximum samples of one forward pass.
  package let microBatch: Int

  package init(
    ranks: Int, trunks: Int, branches: Int, samplesPerUpdate: Int, microBatch: Int
  ) {
    precondition(ranks > 0 && branches > 0 && microBatch > 0, "positive numbers")
    self.ranks = ranks
    self.trunks = trunks
    self.branches = branches
    self.samplesPerUpdate = samplesPerUpdate
    self.microBatch = microBatch
  }

  /// The division of an epoch of `recipe`.
  package init(_ recipe: TrainingRecipe, ranks: Int) {
    let sampling = recipe.sampling
    self.init(
      ranks: ranks, trunks: recipe.prompts.perEpoch * sampling.trunksPerPrompt,
      branches: sampling.method == .tempflow ? sampling.branches : 1,
      samplesPerUpdate: recipe.trainingSamplesPerEpoch / recipe.optimizer.updatesPerEpoch,
      microBatch: recipe.optimizer.microBatch)
  }
}

// MARK: - Rollout

extension WorkDivision {
  /// Columns of an epoch.
  package var columns: Int { trunks * branches }

  /// The columns of a rank.
  package func columns(of rank: Int) -> Range<Int> { share(rank, of: ranks, count: columns) }

  /// The trunks that a rank walks: those with a column of it.
  package func trunks(of rank: Int) -> Range<Int> {
    let columns = columns(of: rank)
    guard !columns.isEmpty else { return 0..<0 }
    return (columns.lowerBound / branches)..<((columns.upperBound - 1) / branches + 1)
  }

  /// The branch numbers of one trunk that a rank takes.
  package func branches(of trunk: Int, on rank: Int) -> Range<Int> {
    let columns = columns(of: rank).clamped(to: (trunk * branches)..<((trunk + 1) * branches))
    return (columns.lowerBound - trunk * branches)..<(columns.upperBound - trunk * branches)
  }

  /// The rank that takes a column.
  package func rank(of column: Int) -> Int { (ranks * (column + 1) + columns - 1) / columns - 1 }

  /// The rank that keeps a trunk's latents and velocities for training: the lowest with a column
  /// of it.
  package func owner(of trunk: Int) -> Int { rank(of: trunk * branches) }

  /// Trunks that more than one rank walks.
  package var splitTrunks: Int {
    (0..<trunks).count { owner(of: $0) != rank(of: ($0 + 1) * branches - 1) }
  }
}

// MARK: - Training

extension WorkDivision {
  /// Forward passes of one update on all ranks together, without skipped samples.
  package var microBatchesPerUpdate: Int { ranks * passesPerUpdate }

  /// Forward passes of one update on each rank.
  package var passesPerUpdate: Int {
    let fewest = (samplesPerUpdate + microBatch - 1) / microBatch
    return (fewest + ranks - 1) / ranks
  }

  /// The samples of an update that a rank trains, as positions in the update.
  package func samples(of rank: Int) -> Range<Int> {
    let parts = microBatches(of: rank)
    return (parts.first?.lowerBound ?? 0)..<(parts.last?.upperBound ?? 0)
  }

  /// The micro-batches of an update that a rank trains, as positions in the update; with fewer
  /// samples than ranks, some are empty.
  package func microBatches(of rank: Int) -> [Range<Int>] {
    (rank * passesPerUpdate..<(rank + 1) * passesPerUpdate).map {
      share($0, of: microBatchesPerUpdate, count: samplesPerUpdate)
    }
  }
}

// MARK: - Numbers that do not fit together

extension TrainingRecipe {
  /// Checks that every process of a run has a column of the rollout.
  ///
  /// - Throws: `TrainingError.arithmetic` with the numbers that would fit.
  package func check(processes: Int) throws(TrainingError) {
    let columns = WorkDivision(self, ranks: processes).columns
    guard processes > columns else { return }
    let seeds = sampling.seedsPerPrompt
    let (prompts, branches) = (prompts.perEpoch, sampling.branches)
    // The least number that has a column for each process and keeps the updates of equal size.
    func least(_ columnsEach: Int, _ samplesEach: Int) -> Int {
      let unit =
        optimizer.updatesPerEpoch / greatestCommonDivisor(optimizer.updatesPerEpoch, samplesEach)
      return ((processes + columnsEach - 1) / columnsEach + unit - 1) / unit * unit
    }
    let steps = sampling.trainedStepCount
    let morePrompts = least(seeds * branches, sampling.trunksPerPrompt * steps)
    // Branches are no samples of their own, except Flow-GRPO's, which are trunks.
    let moreBranches = least(
      prompts * seeds,
      sampling.method == .tempflow ? optimizer.updatesPerEpoch : prompts * seeds * steps)
    throw .arithmetic(
      "\(Self.counted(prompts, "prompt")) x \(Self.counted(seeds, "seed")) x "
        + "\(Self.counted(branches, "branch", "branches")) are "
        + "\(Self.counted(columns, "column")) of a rollout, too few for \(processes) processes; "
        + "use at most \(columns) processes, or prompts.per_epoch \(morePrompts), or "
        + "sampling.branches \(moreBranches)")
  }

  private static func counted(_ count: Int, _ one: String, _ many: String? = nil) -> String {
    "\(count) \(count == 1 ? one : many ?? one + "s")"
  }

  /// What is allowed and wasteful with this many processes, for a warning; nil without it.
  package func idleness(processes: Int) -> String? {
    let samples = WorkDivision(self, ranks: processes).samplesPerUpdate
    guard processes > samples else { return nil }
    return "an update has \(Self.counted(samples, "training sample")), so "
      + "\(processes - samples) of \(processes) processes train none; fewer updates_per_epoch or "
      + "more prompts.per_epoch give each one"
  }
}
