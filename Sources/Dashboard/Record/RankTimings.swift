import Runs

/// Mean seconds of an epoch on each of a run's processes.
///
/// A run may go on with another number of processes; these are those of its last epoch, over the
/// epochs with as many.
struct RankTimings {
  /// The parts of an epoch, each with its heading and its name in the log.
  static let parts: [(heading: String, metric: MetricName)] = [
    ("Rollout", .rankRolloutSeconds), ("Decode", .rankDecodeSeconds),
    ("Reward", .rankRewardSeconds), ("Update", .rankUpdateSeconds),
    ("Epoch", .rankEpochSeconds),
  ]

  /// Per rank, the means in the order of `parts`; empty for a run of one process.
  private(set) var ranks: [[Double]] = []
  /// The epochs that the means are over.
  private(set) var epochCount = 0

  /// Counts an epoch's line.
  mutating func add(_ line: LogLine) throws(ReportError) {
    var columns: [[Double]] = []
    for part in Self.parts { columns.append(try line.list(part.metric)) }
    let count = columns[0].count
    guard columns.allSatisfy({ $0.count == count }) else {
      throw line.wrong(Self.parts[0].metric, "as long as the lists of the other parts")
    }
    if count != ranks.count { (ranks, epochCount) = (columns[0].map { _ in [] }, 0) }
    guard count > 0 else { return }
    epochCount += 1
    for rank in 0..<count {
      let seconds = columns.map { $0[rank] }
      // The mean over one epoch more.
      ranks[rank] =
        ranks[rank].isEmpty
        ? seconds
        : zip(ranks[rank], seconds).map { $0 + ($1 - $0) / Double(epochCount) }
    }
  }
}
