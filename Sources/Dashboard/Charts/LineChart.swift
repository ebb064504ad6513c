import Foundation

/// Curves over a common horizontal axis, as an inline SVG picture with a table beside it.
package struct LineChart {
  /// One measurement.
  package struct Point: Equatable, Sendable {
    /// Value on the horizontal axis.
    package var x: Double
    /// Value on the vertical axis; one that is not finite leaves a gap.
    package var y: Double
    /// Half the height of the error bar or band, in units of y; nil draws none.
    package var error: Double?

    /// Makes a point.
    package init(x: Double, y: Double, error: Double? = nil) {
      self.x = x
      self.y = y
      self.error = error
    }
  }

  /// How a curve's errors are drawn.
  package enum ErrorStyle: Sendable {
    case bars
    case band
  }

  /// One curve.
  package struct Series: Sendable {
    /// Name in the legend.
    package var name: String
    /// Points in ascending x.
    package var points: [Point]
    /// Color and dashes, 0..<9 (see `ChartStyle`).
    package var style: Int
    /// Dots on the points, for curves of few measurements.
    package var dots: Bool
    /// How the points' errors are drawn.
    package var errors: ErrorStyle

    /// Makes a curve.
    package init(
      _ name: String, _ points: [Point], style: Int = 0, dots: Bool = false,
      errors: ErrorStyle = .bars
    ) {
      self.name = name
      self.points = points
      self.style = style
      self.dots = dots
      self.errors = errors
    }
  }

  /// The caption.
  package var title: String
  /// Quantity of the horizontal axis.
  package var xLabel: String
  /// Quantity and unit, written above the vertical axis.
  package var yLabel: String
  /// The curves; more than nine share styles.
  package var series: [Series]
  /// Scale of the vertical axis.
  package var scale: Axis.Scale = .linear
  /// Whether the horizontal axis counts something, such as epochs.
  package var countsAcross = true
  /// Labeled horizontal lines, such as a clip range.
  package var references: [(value: Double, name: String)] = []
  /// Further values that the vertical axis covers, such as 0.
  package var covering: [Double] = []

  /// Makes a chart; its other settings are variables.
  package init(title: String, xLabel: String, yLabel: String, series: [Series]) {
    self.title = title
    self.xLabel = xLabel
    self.yLabel = yLabel
    self.series = series
  }

  /// Most points drawn of one curve; longer curves keep the lowest and highest of each stretch.
  static let mostPoints = 500
  /// Most rows of the table beside the picture.
  static let mostRows = 60

  /// The picture; `id` is unique on the page. A standalone picture contains its style sheet.
  package func picture(id: String, standalone: Bool = false) -> Markup {
    let frame = makeFrame()
    return Shape.picture(
      id: id, width: ChartFrame.width, height: frame.height, title: title,
      description: description, standalone: standalone
    ) {
      frame.furniture()
      for reference in references {
        referenceLine(reference, frame)
      }
      for curve in series {
        draw(curve, frame)
      }
    }
  }

  /// The picture with its caption and the same numbers as a table.
  package func figure(id: String) -> Markup {
    element("figure", ["class": "chart"]) {
      element("figcaption") { title }
      picture(id: id)
      element("details") {
        element("summary") { "Numbers" }
        element("div", ["class": "scroll", "tabindex": "0"]) { table() }
      }
    }
  }

  private func makeFrame() -> ChartFrame {
    let points = series.flatMap(\.points)
    let heights = points.flatMap { point -> [Double] in
      guard let error = point.error, error.isFinite else { return [point.y] }
      return [point.y - error, point.y + error]
    }
    return ChartFrame(
      x: Axis(
        covering: points.map(\.x), wantedTicks: 6, tight: true,
        leastStep: countsAcross ? 1 : 0),
      y: Axis(covering: heights + references.map(\.value) + covering, scale: scale),
      xLabel: xLabel, yLabel: yLabel, legend: series.map { ($0.name, $0.style) })
  }

  /// First and last value of each curve, in a sentence.
  private var description: String {
    let sentences = series.compactMap { curve -> String? in
      let points = curve.points.filter(\.y.isFinite)
      guard let first = points.first, let last = points.last else { return nil }
      return "\(curve.name): \(Figures.short(first.y)) at \(xLabel) \(Figures.short(first.x)), "
        + "\(Figures.short(last.y)) at \(Figures.short(last.x))."
    }
    return sentences.isEmpty ? "No values yet." : sentences.joined(separator: " ")
  }

  private func referenceLine(
    _ reference: (value: Double, name: String), _ frame: ChartFrame
  ) -> Markup? {
    guard let from = frame.place(frame.x.range.lowerBound, reference.value),
      let to = frame.place(frame.x.range.upperBound, reference.value)
    else { return nil }
    return element("g") {
      Shape.line("reference", from, to)
      Shape.label("key", to.x, to.y - 5, reference.name, anchor: "end")
    }
  }

  private func draw(_ curve: Series, _ frame: ChartFrame) -> Markup {
    let points = LineChart.thinned(curve.points)
    return element("g", ["class": "s\(curve.style)"]) {
      if curve.errors == .band { band(points, frame) }
      for run in stretches(points, { frame.place($0.x, $0.y) }) {
        if run.count > 1 {
          element("polyline", ["class": "line s\(curve.style)", "points": coordinates(run)])
        } else {
          Shape.circle("dot", run[0], radius: 2)
        }
      }
      for point in points {
        if let place = frame.place(point.x, point.y) {
          if curve.errors == .bars { errorBar(point, frame) }
          if curve.dots { Shape.circle("dot", place, radius: 3.2) }
        }
      }
    }
  }

  /// A place in the picture.
  private typealias Place = (x: Double, y: Double)

  /// Stretches of points that have a `place`; the others leave gaps.
  private func stretches<T>(_ points: [Point], _ place: (Point) -> T?) -> [[T]] {
    points.split { place($0) == nil }.map { $0.compactMap(place) }
  }

  /// Both ends of a point's error; nil without one, or where an end cannot be drawn.
  private func edges(_ point: Point, _ frame: ChartFrame) -> (high: Place, low: Place)? {
    guard let error = point.error, let high = frame.place(point.x, point.y + error),
      let low = frame.place(point.x, point.y - error)
    else { return nil }
    return (high, low)
  }

  private func band(_ points: [Point], _ frame: ChartFrame) -> Markup? {
    let shown = stretches(points) { edges($0, frame) }.filter { $0.count > 1 }
    guard !shown.isEmpty else { return nil }
    return element("g") {
      for edges in shown {
        let outline = edges.map(\.high) + edges.reversed().map(\.low)
        element("polygon", ["class": "band", "points": coordinates(outline)])
      }
    }
  }

  private func errorBar(_ point: Point, _ frame: ChartFrame) -> Markup? {
    guard let error = point.error, error > 0, let (high, low) = edges(point, frame) else {
      return nil
    }
    return element("g") {
      Shape.line("error", high, low)
      Shape.line("error", (high.x - 3.5, high.y), (high.x + 3.5, high.y))
      Shape.line("error", (low.x - 3.5, low.y), (low.x + 3.5, low.y))
    }
  }

  private func coordinates(_ places: [Place]) -> String {
    places.map { "\(Figures.coordinate($0.x)),\(Figures.coordinate($0.y))" }
      .joined(separator: " ")
  }

  /// At most `mostPoints` points: of each stretch the first of its lowest and its highest, or one
  /// gap where it has no value.
  static func thinned(_ points: [Point]) -> [Point] {
    guard points.count > mostPoints else { return points }
    let stretches = mostPoints / 2
    return (0..<stretches).flatMap { index -> [Point] in
      let slice = points[points.count * index / stretches..<points.count * (index + 1) / stretches]
      let valued = slice.indices.filter { slice[$0].y.isFinite }
      guard !valued.isEmpty else { return [slice[slice.startIndex]] }
      let indices = Set(
        [
          valued.min { slice[$0].y < slice[$1].y }, valued.max { slice[$0].y < slice[$1].y },
        ].compactMap { $0 })
      return indices.sorted().map { points[$0] }
    }
  }

  /// The curves' values, one row per place on the horizontal axis.
  private func table() -> Markup {
    let places = Set(series.flatMap { $0.points.map(\.x) }).sorted()
    let every = max(1, (places.count + LineChart.mostRows - 1) / LineChart.mostRows)
    let shown = places.enumerated().filter {
      $0.offset.isMultiple(of: every) || $0.offset == places.count - 1
    }
    let values = series.map { curve in
      Dictionary(curve.points.map { ($0.x, $0) }, uniquingKeysWith: { $1 })
    }
    return element("table") {
      element("caption") { every > 1 ? "\(title); every \(every). value" : title }
      element("thead") {
        element("tr") {
          element("th", ["scope": "col"]) { xLabel }
          for curve in series { element("th", ["scope": "col"]) { curve.name } }
        }
      }
      element("tbody") {
        for (_, place) in shown {
          element("tr") {
            element("th", ["scope": "row"]) { Figures.short(place) }
            for column in values { element("td") { LineChart.cell(column[place]) } }
          }
        }
      }
    }
  }

  private static func cell(_ point: Point?) -> String {
    guard let point, point.y.isFinite else { return "–" }
    guard let error = point.error else { return Figures.short(point.y) }
    return "\(Figures.short(point.y)) ± \(Figures.short(error))"
  }
}
