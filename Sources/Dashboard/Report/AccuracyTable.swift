package import Runs

/// Held-out scores before and after a run, per tag, as aligned plain text for a terminal.
package struct AccuracyTable {
  private let summary: RunSummary

  package init(_ summary: RunSummary) {
    self.summary = summary
  }

  /// The table, its lines joined by line ends, without a last one.
  package var text: String {
    let header = ["", "prompts", "before", "after", "change"]
    let tags = TagOrder.sorted(Array(summary.before.tags.keys) + summary.after.tags.keys)
    let rows = tags.map { row($0, summary.before.tags[$0], summary.after.tags[$0]) }
    let total = row("all", summary.before.overall, summary.after.overall)
    let all = [header] + rows + [total]
    let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    let lines = all.map { line($0, widths) }
    let rule = String(repeating: "-", count: lines[0].count)
    return ([title, "", lines[0], rule] + lines[1...rows.count] + [rule, lines[lines.count - 1]])
      .joined(separator: "\n")
  }

  /// What was measured, and how.
  private var title: String {
    let way = summary.evaluationProtocol
    let guidance = way.guidance == 1 ? "" : ", guidance \(Figures.setting(way.guidance))"
    return "Held-out \(way.reward) after \(summary.epochs) epochs "
      + "(\(way.promptCount) prompts, \(way.weights) weights, \(way.steps) steps, "
      + "\(way.sampler)\(guidance), seed \(way.seed); mean ± standard error)"
  }

  private func row(_ name: String, _ before: Score?, _ after: Score?) -> [String] {
    let change =
      if let before, let after { Figures.signed(after.mean - before.mean, 3) } else { "-" }
    return [
      name, (after ?? before).map { String($0.count) } ?? "-", AccuracyTable.cell(before),
      AccuracyTable.cell(after), change,
    ]
  }

  /// `0.512 ± 0.022`.
  private static func cell(_ score: Score?) -> String {
    guard let score, score.count > 0 else { return "-" }
    let error = score.standardError.map { " ± \(Figures.fixed($0, 3))" } ?? ""
    return Figures.fixed(score.mean, 3) + error
  }

  /// The first column flush left, the others flush right.
  private func line(_ cells: [String], _ widths: [Int]) -> String {
    zip(cells, widths).enumerated().map { index, pair in
      let room = String(repeating: " ", count: pair.1 - pair.0.count)
      return index == 0 ? pair.0 + room : room + pair.0
    }.joined(separator: "   ")
  }
}
