internal import Foundations
package import Runs

/// Held-out scores before and after a run, per tag, as aligned plain text for a terminal.
package struct AccuracyTable {
  private let summary: RunSummary

  /// The table of a run's summary.
  package init(_ summary: RunSummary) {
    self.summary = summary
  }

  /// The table, its lines joined by line ends, without a last one.
  package var text: String {
    let tags = TagOrder.sorted(Array(summary.before.tags.keys) + summary.after.tags.keys)
    var rows = tags.map { row($0, summary.before.tags[$0], after?.tags[$0]) }
    if tags.count > 1, let before = mean(summary.before) {
      rows.append(row("mean of tags", before, after.flatMap(mean)))
    }
    let table = TextTable(
      header: ["", "prompts", "before", "after", "change"], rows: rows,
      footer: row("all", summary.before.overall, after?.overall))
    return "\(title)\n\n\(table.text)\n\n\(closing)"
  }

  /// The scores after training; nil where the model has been measured before it alone.
  private var after: TaggedScores? { summary.evaluations.count > 1 ? summary.after : nil }

  /// The mean of the tags' means, of all prompts.
  private func mean(_ scores: TaggedScores) -> Score? {
    scores.tagMean.map { Score(count: scores.overall.count, mean: $0, standardError: nil) }
  }

  /// Epochs and training time.
  private var closing: String {
    let state = summary.isFinished ? "" : "; stopped before the end"
    let last = summary.evaluations.last?.epoch ?? 0
    let measured =
      last == summary.epochs ? "" : last == 0 ? ", not measured yet" : ", measured after \(last)"
    return "\(summary.epochs) \(summary.epochs == 1 ? "epoch" : "epochs")\(measured), "
      + "\(Figures.duration(summary.trainingSeconds)) of training\(state)."
  }

  /// The evaluation protocol.
  private var title: String {
    let way = summary.evaluationProtocol
    let guidanceScale =
      way.guidanceScale == 1 ? "" : ", guidance \(Figures.setting(way.guidanceScale))"
    return "Held-out \(way.reward) "
      + "(\(way.promptCount) prompts, \(way.weights) weights, \(way.steps) steps, "
      + "\(way.sampler)\(guidanceScale), seed \(way.seed); mean ± standard error)"
  }

  private func row(_ name: String, _ before: Score?, _ after: Score?) -> [String] {
    let change =
      if let before = before?.mean, let after = after?.mean {
        Figures.signed(after - before, 3)
      } else {
        "-"
      }
    return [
      name, Figures.prompts(before, after) ?? "-", AccuracyTable.cell(before),
      AccuracyTable.cell(after), change,
    ]
  }

  /// `0.512 ± 0.022`.
  private static func cell(_ score: Score?) -> String {
    guard let score, let mean = score.mean else { return "-" }
    let error = score.standardError.map { " ± \(Figures.fixed($0, 3))" } ?? ""
    return Figures.fixed(mean, 3) + error
  }
}
