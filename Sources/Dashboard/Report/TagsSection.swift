import Runs

/// The held-out score per tag before and after, as bars and as a table.
struct TagsSection {
  let run: RunRecord

  private var scale: ScoreScale { run.scoreScale }

  /// `Accuracy per tag`, or `pickscore per tag`.
  var heading: String { "\(scale.isShare ? "Accuracy" : scale.name) per tag" }

  private struct Row {
    var name: String
    var before: Score?
    var after: Score?
  }

  private var rows: [Row] {
    guard let first = run.evaluations.first else { return [] }
    let last = run.evaluations.count > 1 ? run.evaluations.last : nil
    let tags = TagOrder.sorted(Array(first.tags.keys) + (last.map { Array($0.tags.keys) } ?? []))
    let own = tags.map { Row(name: $0, before: first.tags[$0], after: last?.tags[$0]) }
    return own + [meanOfTags(own)].compactMap(\.self)
      + [Row(name: "all", before: first.overall, after: last?.overall)]
  }

  /// GenEval's figure; nil below two tags, or where one has no score.
  private func meanOfTags(_ rows: [Row]) -> Row? {
    func mean(_ scores: [Score?]) -> Score? {
      TaggedScores.mean(ofTags: scores.map { $0?.mean }).map { mean in
        Score(
          count: scores.reduce(0) { $0 + ($1?.count ?? 0) }, mean: mean, standardError: nil)
      }
    }
    guard rows.count > 1, let before = mean(rows.map(\.before)) else { return nil }
    return Row(name: "mean of tags", before: before, after: mean(rows.map(\.after)))
  }

  func markup() -> Markup {
    let rows = rows
    guard !rows.isEmpty else {
      return element("p", ["class": "notice"]) { "The model has not been evaluated yet." }
    }
    let chart = BarChart(
      title: "\(heading), before and after", scale: scale,
      rows: rows.map {
        .init(name: $0.name, before: TagsSection.bar($0.before), after: TagsSection.bar($0.after))
      })
    return element("div", ["class": "charts"]) {
      element("figure", ["class": "chart"]) {
        element("figcaption") { chart.title }
        chart.picture(id: "tags")
      }
      element("div", ["class": "scroll", "tabindex": "0"]) { table(rows) }
    }
  }

  private func table(_ rows: [Row]) -> Markup {
    element("table") {
      element("caption") {
        scale.isShare
          ? "Share of images that show what the prompt says, ± standard error"
          : "Mean of \(scale.name), ± standard error"
      }
      element("thead") {
        element("tr") {
          for name in ["Tag", "Prompts", "Before", "After", "Change"] {
            element("th", ["scope": "col"]) { name }
          }
        }
      }
      element("tbody") {
        for row in rows { cells(row) }
      }
    }
  }

  private func cells(_ row: Row) -> Markup {
    element("tr", row.name == "all" ? ["class": "total"] : [:]) {
      element("th", ["scope": "row"]) { row.name }
      element("td") { Figures.prompts(row.before, row.after) ?? "–" }
      element("td") { text(row.before) }
      element("td") { text(row.after) }
      element("td") {
        if let before = row.before?.mean, let after = row.after?.mean {
          element("span", ["class": after >= before ? "rise" : "fall"]) {
            scale.change(after - before)
          }
        } else {
          "–"
        }
      }
    }
  }

  private static func bar(_ score: Score?) -> BarChart.Bar? {
    guard let score, let mean = score.mean else { return nil }
    return .init(value: mean, error: score.standardError)
  }

  private func text(_ score: Score?) -> String {
    guard let score, let mean = score.mean else { return "–" }
    let error = score.standardError.map { " ± \(scale.number($0))" } ?? ""
    return "\(scale.text(mean))\(error)"
  }
}
