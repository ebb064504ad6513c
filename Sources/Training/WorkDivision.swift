package import TempFlow

/// How the work of an epoch is divided among the processes of a run, for the plan: the rules of
/// `RolloutMethod`'s columns and of `WorkShare` with the numbers of one recipe.
package struct WorkDivision: Sendable, Equatable {
  /// N, the processes of the run.
  package let ranks: Int
  package let method: RolloutMethod
  /// T, trunks of an epoch.
  package let trunks: Int
  /// Training samples of one update.
  package let samplesPerUpdate: Int
  /// Maximum samples of one forward pass.
  package let microBatch: Int

  package init(
    ranks: Int, method: RolloutMethod, trunks: Int, samplesPerUpdate: Int, microBatch: Int
  ) {
    precondition(ranks > 0 && samplesPerUpdate > 0 && microBatch > 0, "positive numbers")
    self.ranks = ranks
    self.method = method
    self.trunks = trunks
    self.samplesPerUpdate = samplesPerUpdate
    self.microBatch = microBatch
  }

  /// The division of an epoch of `recipe`.
  package init(_ recipe: TrainingRecipe, ranks: Int) {
    self.init(
      ranks: ranks, method: recipe.sampling.rolloutMethod,
      trunks: recipe.prompts.perEpoch * recipe.sampling.trunksPerPrompt,
      samplesPerUpdate: recipe.trainingSamplesPerEpoch / recipe.optimizer.updatesPerEpoch,
      microBatch: recipe.optimizer.microBatch)
  }

  private func part(_ rank: Int) -> WorkShare { WorkShare(rank, of: ranks) }
}

// MARK: - Rollout

extension WorkDivision {
  /// Columns of an epoch.
  package var columns: Int { method.columns(trunks: trunks) }

  /// The columns of a rank.
  package func columns(of rank: Int) -> Range<Int> { part(rank).range(of: columns) }

  /// The trunks that a rank walks.
  package func trunks(of rank: Int) -> Range<Int> { method.trunks(of: columns(of: rank)) }

  /// Trunks that more than one rank walks.
  package var splitTrunks: Int {
    var walks = Array(repeating: 0, count: trunks)
    for rank in 0..<ranks {
      for trunk in trunks(of: rank) { walks[trunk] += 1 }
    }
    return walks.count { $0 > 1 }
  }
}

// MARK: - Training

extension WorkDivision {
  /// Forward passes of one update on all ranks together, without skipped samples.
  package var passesPerUpdate: Int { passes(microBatch: microBatch) }

  /// Samples of the largest pass.
  package var samplesPerPass: Int { samplesPerPass(microBatch: microBatch) }

  /// The passes of an update that a rank makes, as positions of its samples in the update; none
  /// where an update has fewer passes than ranks.
  package func passes(of rank: Int) -> [Range<Int>] {
    Array(part(rank).microBatches(of: samplesPerUpdate, limit: microBatch))
  }

  /// The passes of an update on the rank with the most.
  package var mostPasses: Int { part(0).most(of: passesPerUpdate) }

  /// The samples of an update that a rank trains.
  package func samples(of rank: Int) -> Int {
    passes(of: rank).reduce(0) { $0 + $1.count }
  }

  /// Ranks that train no sample of an update.
  package var idleRanks: Int { max(0, ranks - passesPerUpdate) }

  /// The largest size of passes, up to the micro-batch, with which the rank with the most samples
  /// has the fewest.
  package var fairestMicroBatch: Int {
    let fairest = (1...min(microBatch, samplesPerUpdate)).reversed()
      .min { mostSamples(microBatch: $0) < mostSamples(microBatch: $1) }
    return samplesPerPass(microBatch: fairest ?? microBatch)
  }

  /// Samples of an update on the rank with the most, at a size of its passes that all passes have.
  package func mostSamples(microBatch: Int) -> Int {
    part(0).most(of: passes(microBatch: microBatch)) * samplesPerPass(microBatch: microBatch)
  }

  private func samplesPerPass(microBatch: Int) -> Int {
    let passes = passes(microBatch: microBatch)
    return (samplesPerUpdate + passes - 1) / passes
  }

  private func passes(microBatch: Int) -> Int {
    microBatchCount(of: samplesPerUpdate, limit: microBatch)
  }

  /// The expected share of training samples that another rank trains than the one that rolled them
  /// out, in 0...1: about 1 - 1/N.
  package var movedShare: Double {
    let owned = ownedTrunks
    let kept = owned.enumerated().reduce(0.0) {
      $0 + Double($1.element) * Double(samples(of: $1.offset))
    }
    return 1 - kept / (Double(trunks) * Double(samplesPerUpdate))
  }

  /// The expected number of (rank, trunk) pairs in which the rank trains a sample of the trunk and
  /// another has rolled it out: each of a trunk's `steps` samples may be any rank's.
  package func movedTrunks(steps: Int) -> Double {
    ownedTrunks.enumerated().reduce(0) { sum, rank in
      let share = Double(samples(of: rank.offset)) / Double(samplesPerUpdate)
      let trains = 1 - (0..<steps).reduce(1.0) { rest, _ in rest * (1 - share) }
      return sum + Double(trunks - rank.element) * trains
    }
  }

  /// For each rank the trunks whose samples it sends.
  private var ownedTrunks: [Int] {
    method.owners(processes: ranks, trunks: trunks)
      .reduce(into: Array(repeating: 0, count: ranks)) { $0[$1] += 1 }
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

  /// A warning that an update's passes do not go around, with what would; nil where at most a tenth
  /// of its time is lost by that.
  package func unevenness(processes: Int) -> String? {
    let division = WorkDivision(self, ranks: processes)
    let (passes, idle) = (division.passesPerUpdate, division.idleRanks)
    let fairest = division.fairestMicroBatch
    let best = division.mostSamples(microBatch: fairest)
    let loses =
      passes % processes != 0
      && 10 * division.mostSamples(microBatch: division.microBatch) > 11 * best
    guard loses || idle > 0 else { return nil }
    let fact =
      "the \(Self.counted(division.samplesPerUpdate, "training sample")) of an update are "
      + "\(Self.counted(passes, "pass", "passes")), "
      + (idle > 0
        ? "so \(idle) of \(processes) processes \(idle == 1 ? "trains" : "train") none"
        : "\(passes / processes) or \(passes / processes + 1) a process, and those with fewer wait")
    let advice = [
      loses
        ? "optimizer.micro_batch \(fairest) leaves at most \(Self.counted(best, "sample")) to a "
          + "process" : nil,
      processes > division.samplesPerUpdate
        ? "fewer updates_per_epoch or more prompts.per_epoch give each process samples" : nil,
    ]
    return ([fact] + advice.compactMap { $0 }).joined(separator: "; ")
  }
}
