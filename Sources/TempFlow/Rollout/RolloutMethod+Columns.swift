// The columns of a rollout, ordered trunk by trunk: a column is one branch number of one trunk, at
// every trained step. All columns cost the same, so processes share a rollout by columns; the trunk
// itself is walked by every process that has one of its columns. The process that has the first of
// them follows the trunk to its own image, where the plan says so.

extension RolloutMethod {
  /// Columns of a rollout of `trunks` trunks.
  package func columns(trunks: Int) -> Int { trunks * branchCount }

  /// The trunks with a column among `columns`, of which there is at least one.
  package func trunks(of columns: Range<Int>) -> Range<Int> {
    columns.lowerBound / branchCount..<(columns.upperBound + branchCount - 1) / branchCount
  }

  /// The branches of a trunk among `columns`.
  package func branches(of trunk: Int, among columns: Range<Int>) -> Range<Int> {
    let first = trunk * branchCount
    let own = columns.clamped(to: first..<first + branchCount)
    return own.lowerBound - first..<own.upperBound - first
  }

  /// The trunks whose first column is among `columns`.
  package func firstColumns(among columns: Range<Int>) -> Range<Int> {
    (columns.lowerBound + branchCount - 1) / branchCount..<(columns.upperBound + branchCount - 1)
      / branchCount
  }

  /// The most trunks that one of several processes walks.
  package func mostTrunks(processes: Int, trunks: Int) -> Int {
    let columns = columns(trunks: trunks)
    return (0..<processes).map {
      self.trunks(of: WorkShare($0, of: processes).range(of: columns)).count
    }.max() ?? trunks
  }

  /// For each trunk the process that sends its samples to those that train them: the first of those
  /// that walk the trunk.
  package func owners(processes: Int, trunks: Int) -> [Int] {
    let columns = columns(trunks: trunks)
    var owners = Array(repeating: 0, count: trunks)
    for rank in (0..<processes).reversed() {
      let own = self.trunks(of: WorkShare(rank, of: processes).range(of: columns))
      for trunk in own { owners[trunk] = rank }
    }
    return owners
  }

  /// Rows in the calls of the velocity field at denoising step `step`, for `columns` columns that
  /// leave `trunks` trunks in an epoch that trains `steps`.
  ///
  /// - Parameter finishedTrunks: of the trunks, those that are followed to sigma 0.
  package func rows(
    trunks: Int, columns: Int, finishedTrunks: Int = 0, at step: Int, steps: [Int]
  ) -> Int {
    guard case .branching = self else { return trunks }
    let walked = step <= (steps.max() ?? -1) ? trunks : finishedTrunks
    return walked + columns * rowsPerColumn(at: step, steps: steps)
  }

  /// Rows of the velocity field at each step of each rollout batch, in one share of a rollout of
  /// `trunks` trunks that trains `steps`.
  package func rows(
    by share: WorkShare, trunks: Int, trunksPerBatch: Int, stepCount: Int, steps: [Int],
    finishesTrunks: Bool = false
  ) -> [Int] {
    let own = share.range(of: columns(trunks: trunks))
    let held = self.trunks(of: own)
    return microBatches(of: held.count, limit: trunksPerBatch).flatMap { part in
      let trunks = held.lowerBound + part.lowerBound..<held.lowerBound + part.upperBound
      let columns = trunks.reduce(0) { $0 + branches(of: $1, among: own).count }
      let finished = finishesTrunks ? firstColumns(among: own).clamped(to: trunks).count : 0
      return (0..<stepCount).map {
        rows(
          trunks: trunks.count, columns: columns, finishedTrunks: finished, at: $0, steps: steps)
      }
    }
  }

  /// Finished samples of one column in an epoch that trains `steps`.
  package func samplesPerColumn(steps: [Int]) -> Int {
    samplesPerTrunk(steps: steps) / branchCount
  }
}
