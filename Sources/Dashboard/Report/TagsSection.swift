import Runs

/// Accuracy per tag before and after, as bars and as a table.
struct TagsSection {
  let run: RunRecord

  private struct Row {
    var name: String
    var before: Score?
    var after: Score?
  }

  private var rows: [Row] {
    guard let first = run.evaluations.first else { return [] }
    let last = run.evaluations.count > 1 ? run.evaluations.last : nil
    let tags = TagOrder.sorted(Array(first.tags.keys) + (last.map { Array($0.tags.keys) } ?? []))
    return tags.map { Row(name: $0, before: first.tags[$0], after: last?.tags[$0]) }
      + [Row(name: "all", before: first.overall, after: last?.overall)]
  }

  func markup() -> Markup {
    let rows = rows
    guard !rows.isEmpty else {
      return element("p", ["class": "notice"]) { "The model has not been evaluated yet." }
    }
    let chart = BarChart(
      title: "Accuracy per tag, before and after",
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
        "Share of prompts whose image shows exactly the prompt, ± standard error"
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
      element("td") { (row.after ?? row.before).map { "\($0.count)" } ?? "–" }
      element("td") { TagsSection.text(row.before) }
      element("td") { TagsSection.text(row.after) }
      element("td") {
        if let before = row.before?.mean, let after = row.after?.mean {
          let change = (after - before) * 100
          element("span", ["class": change >= 0 ? "rise" : "fall"]) { Figures.signed(change, 1) }
        } else {
          "–"
        }
      }
    }
  }

  private static func bar(_ score: Score?) -> BarChart.Bar? {
    guard let score, let mean = score.mean else { return nil }
    return .init(value: min(1, max(0, mean)), error: score.standardError)
  }

  private static func text(_ score: Score?) -> String {
    guard let score, let mean = score.mean else { return "–" }
    let error = score.standardError.map { " ± \(Figures.fixed($0 * 100, 1))" } ?? ""
    return "\(Figures.fixed(mean * 100, 1)) %\(error)"
  }
}
