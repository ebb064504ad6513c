/// Pairs of horizontal bars, before above after, one pair a row.
package struct BarChart {
  /// One bar with its error.
  package struct Bar: Sendable {
    /// A share in 0...1, or a score.
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
  /// How the values are shown.
  package var scale: ScoreScale
  /// From top to bottom.
  package var rows: [Row]

  /// Makes a chart.
  package init(title: String, scale: ScoreScale, rows: [Row]) {
    self.title = title
    self.scale = scale
    self.rows = rows
  }

  /// Upper bound of a letter's width in system fonts at 12.5 px.
  private static let letter = 7.3
  private static let mostLetters = 28
  private static let right = 440.0
  private static let top = 30.0
  private static let pitch = 40.0
  private static let thickness = 13.0

  /// Where the bars begin, right of the names.
  private var left: Double {
    let letters = rows.map { Lettering.width($0.name) }.max() ?? 0
    return max(112, 14 + BarChart.letter * Double(min(letters, BarChart.mostLetters)))
  }

  /// The picture; `id` is unique on the page.
  package func picture(id: String) -> Markup {
    let height = BarChart.top + Double(rows.count) * BarChart.pitch + 24
    let axis = axis
    return Shape.picture(
      id: id, width: ChartFrame.width, height: height, title: title, description: description
    ) {
      legend()
      for tick in scale.isShare ? [0, 0.25, 0.5, 0.75, 1] : axis.ticks {
        let text = scale.isShare ? "\(Int(tick * 100)) %" : axis.label(tick)
        let x = place(tick, axis)
        Shape.line("grid", (x, BarChart.top), (x, height - 22))
        Shape.label("tick", x, height - 7, text, anchor: "middle")
      }
      for (index, row) in rows.enumerated() {
        draw(row, axis, top: BarChart.top + Double(index) * BarChart.pitch + 5)
      }
    }
  }

  private func legend() -> Markup {
    element("g") {
      Shape.rectangle("before", x: left, y: 5, width: 14, height: 10, corner: 2)
      Shape.label("key", left + 20, 14, "before", anchor: "start")
      Shape.rectangle("after", x: left + 80, y: 5, width: 14, height: 10, corner: 2)
      Shape.label("key", left + 100, 14, "after", anchor: "start")
    }
  }

  /// 0...1 for shares; otherwise from zero over all values and their errors.
  private var axis: Axis {
    guard !scale.isShare else { return Axis(covering: [0, 1]) }
    let bars = rows.flatMap { [$0.before, $0.after] }.compactMap(\.self)
    return Axis(
      covering: [0] + bars.flatMap { [$0.value - ($0.error ?? 0), $0.value + ($0.error ?? 0)] })
  }

  private func draw(_ row: Row, _ axis: Axis, top: Double) -> Markup {
    element("g") {
      Shape.label(
        "name", left - 10, top + 18,
        Lettering.shortened(row.name, to: BarChart.mostLetters), anchor: "end")
      if let bar = row.before { draw(bar, axis, "before", "\(row.name) before", top: top) }
      if let bar = row.after {
        draw(bar, axis, "after", "\(row.name) after", top: top + BarChart.thickness + 2)
      }
    }
  }

  private func draw(
    _ bar: Bar, _ axis: Axis, _ style: String, _ title: String, top: Double
  ) -> Markup {
    let middle = top + BarChart.thickness / 2
    let (zero, end) = (place(0, axis), place(bar.value, axis))
    let (low, high) = bar.error.map {
      (place(bar.value - $0, axis), place(bar.value + $0, axis))
    } ?? (end, end)
    return element("g") {
      Shape.rectangle(
        style, x: min(zero, end), y: top, width: abs(end - zero), height: BarChart.thickness,
        corner: 2, title: "\(title): \(scale.text(bar.value))")
      if low < high { Shape.line("error", (low, middle), (high, middle)) }
      Shape.label(
        "tick", max(zero, high) + 5, middle + 4,
        scale.isShare ? Figures.fixed(bar.value * 100, 0) : Figures.short(bar.value),
        anchor: "start")
    }
  }

  private var description: String {
    rows.map { row in
      let before = row.before.map { scale.text($0.value) } ?? "not measured"
      let after = row.after.map { scale.text($0.value) } ?? "not measured"
      return "\(row.name): before \(before), after \(after)."
    }.joined(separator: " ")
  }

  /// The place of a value between the ends of the axis.
  private func place(_ value: Double, _ axis: Axis) -> Double {
    let share = axis.position(of: value) ?? 0
    return left + min(1, max(0, share)) * (BarChart.right - left)
  }
}
