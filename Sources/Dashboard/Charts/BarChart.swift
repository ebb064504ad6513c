/// Pairs of horizontal bars, before above after, one pair a row, over shares in 0...1.
package struct BarChart {
  /// One bar with its error.
  package struct Bar: Sendable {
    /// In 0...1.
    package var value: Double
    /// Standard error; nil draws none.
    package var error: Double?

    /// Makes a bar.
    package init(value: Double, error: Double? = nil) {
      self.value = value
      self.error = error
    }
  }

  /// The two bars of one row.
  package struct Row: Sendable {
    /// Written on the left.
    package var name: String
    /// The upper bar; nil when not measured.
    package var before: Bar?
    /// The lower bar; nil when not measured.
    package var after: Bar?

    /// Makes a row.
    package init(name: String, before: Bar?, after: Bar?) {
      self.name = name
      self.before = before
      self.after = after
    }
  }

  /// Title for screen readers.
  package var title: String
  /// From top to bottom.
  package var rows: [Row]

  /// Makes a chart.
  package init(title: String, rows: [Row]) {
    self.title = title
    self.rows = rows
  }

  private static let left = 112.0
  private static let right = 440.0
  private static let top = 30.0
  private static let pitch = 40.0
  private static let thickness = 13.0

  /// The picture; `id` is unique on the page.
  package func picture(id: String) -> Markup {
    let height = BarChart.top + Double(rows.count) * BarChart.pitch + 24
    return Shape.picture(
      id: id, width: ChartFrame.width, height: height, title: title, description: description
    ) {
      legend()
      for tick in [0, 0.25, 0.5, 0.75, 1] {
        Shape.line("grid", (place(tick), BarChart.top), (place(tick), height - 22))
        Shape.label("tick", place(tick), height - 7, "\(Int(tick * 100)) %", anchor: "middle")
      }
      for (index, row) in rows.enumerated() {
        draw(row, top: BarChart.top + Double(index) * BarChart.pitch + 5)
      }
    }
  }

  private func legend() -> Markup {
    element("g") {
      Shape.rectangle("before", x: BarChart.left, y: 5, width: 14, height: 10, corner: 2)
      Shape.label("key", BarChart.left + 20, 14, "before", anchor: "start")
      Shape.rectangle("after", x: BarChart.left + 80, y: 5, width: 14, height: 10, corner: 2)
      Shape.label("key", BarChart.left + 100, 14, "after", anchor: "start")
    }
  }

  private func draw(_ row: Row, top: Double) -> Markup {
    element("g") {
      Shape.label("name", BarChart.left - 10, top + 18, row.name, anchor: "end")
      if let bar = row.before { draw(bar, "before", "\(row.name) before", top: top) }
      if let bar = row.after {
        draw(bar, "after", "\(row.name) after", top: top + BarChart.thickness + 2)
      }
    }
  }

  private func draw(_ bar: Bar, _ style: String, _ title: String, top: Double) -> Markup {
    let middle = top + BarChart.thickness / 2
    let end = place(bar.value)
    let reach = bar.error.map { place(min(1, bar.value + $0)) } ?? end
    return element("g") {
      Shape.rectangle(
        style, x: BarChart.left, y: top, width: max(0, end - BarChart.left),
        height: BarChart.thickness, corner: 2, title: "\(title): \(Figures.percent(bar.value))")
      if let error = bar.error, error > 0 {
        Shape.line("error", (place(max(0, bar.value - error)), middle), (reach, middle))
      }
      Shape.label("tick", reach + 5, middle + 4, Figures.fixed(bar.value * 100, 0), anchor: "start")
    }
  }

  private func place(_ share: Double) -> Double {
    BarChart.left + share * (BarChart.right - BarChart.left)
  }

  private var description: String {
    rows.map { row in
      let before = row.before.map { Figures.percent($0.value) } ?? "not measured"
      let after = row.after.map { Figures.percent($0.value) } ?? "not measured"
      return "\(row.name): before \(before), after \(after)."
    }.joined(separator: " ")
  }
}
