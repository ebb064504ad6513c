import Runs

/// Seconds of a run's phases, from `timings.jsonl`.
struct Timings {
  /// One epoch.
  struct Epoch {
    var epoch: Int
    /// Seconds of the whole epoch.
    var total: Double
    /// Seconds of each phase, in the order of `phases`.
    var phases: [Double]
  }

  /// The phases of an epoch, each with its name in the log.
  static let phases: [(name: String, metric: MetricName)] = [
    ("text", .textSeconds), ("rollout", .rolloutSeconds), ("decode", .decodeSeconds),
    ("reward", .rewardSeconds), ("learning", .updateSeconds),
  ]

  private(set) var epochs: [Epoch] = []
  /// Of a run with several processes.
  private(set) var ranks = RankTimings()
  private(set) var load = 0.0
  private(set) var evaluation = 0.0
  private(set) var checkpoint = 0.0

  init(_ lines: [LogLine]) throws(ReportError) {
    for line in lines {
      switch try line.kind() {
      case MetricKind.start.rawValue:
        load += try line.required(.loadSeconds)
      case MetricKind.evaluation.rawValue:
        evaluation += try line.required(.evaluationSeconds)
      case MetricKind.checkpoint.rawValue:
        checkpoint += try line.required(.checkpointSeconds)
      case MetricKind.epoch.rawValue:
        try ranks.add(line)
        var phases: [Double] = []
        for phase in Timings.phases { phases.append(try line.number(phase.metric) ?? 0) }
        epochs.append(
          Epoch(
            epoch: try line.epoch(), total: try line.required(.epochSeconds), phases: phases))
      default: break
      }
    }
  }

  /// Seconds of training (evaluations and checkpoints not counted).
  var training: Double { epochs.map(\.total).reduce(0, +) }

  /// Seconds of training until an epoch was complete.
  func training(until epoch: Int) -> Double {
    epochs.filter { $0.epoch <= epoch }.map(\.total).reduce(0, +)
  }

  /// Seconds of each phase over the run, without phases of 0 s. `other` is the rest of the epochs.
  var parts: [StackedBar.Part] {
    var parts = [StackedBar.Part(name: "load", amount: load)]
    for (index, phase) in Timings.phases.enumerated() {
      parts.append(.init(name: phase.name, amount: epochs.map { $0.phases[index] }.reduce(0, +)))
    }
    let claimed = parts.dropFirst().map(\.amount).reduce(0, +)
    parts.append(.init(name: "other", amount: max(0, training - claimed)))
    parts.append(.init(name: "evaluation", amount: evaluation))
    parts.append(.init(name: "checkpoint", amount: checkpoint))
    return parts.filter { $0.amount > 0 }
  }
}
