/// The plotting area that charts share: axes with gridlines and labels, a legend, and a title and a
/// description for screen readers.
///
/// Colors are classes of `ChartStyle`, the same on a page and in a standalone file, light or dark.
struct ChartFrame {
  static let width = 480.0
  private static let left = 54.0
  private static let right = 14.0
  private static let legendRow = 18.0
  private static let plotHeight = 196.0
  /// Upper bound of a legend letter's width in system fonts at 12 px.
  private static let letter = 7.0

  let x: Axis
  let y: Axis
  let xLabel: String
  let yLabel: String
  let legend: [(name: String, style: Int)]
  private let legendPlaces: [(x: Double, row: Int)]
  private let top: Double
  /// Height of the whole picture.
  let height: Double

  init(
    x: Axis, y: Axis, xLabel: String, yLabel: String, legend: [(name: String, style: Int)]
  ) {
    self.x = x
    self.y = y
    self.xLabel = xLabel
    self.yLabel = yLabel
    self.legend = legend.count > 1 ? legend : []
    var places: [(x: Double, row: Int)] = []
    var (cursor, row) = (ChartFrame.left, 0)
    for entry in self.legend {
      let width = 40 + Double(entry.name.count) * ChartFrame.letter
      if cursor + width > ChartFrame.width, cursor > ChartFrame.left {
        (cursor, row) = (ChartFrame.left, row + 1)
      }
      places.append((cursor, row))
      cursor += width
    }
    legendPlaces = places
    top = 26 + (places.isEmpty ? 0 : Double(row + 1) * ChartFrame.legendRow)
    height = top + ChartFrame.plotHeight + 42
  }

  /// Coordinates of a point; nil when it cannot be drawn.
  func place(_ xValue: Double, _ yValue: Double) -> (x: Double, y: Double)? {
    guard let across = x.position(of: xValue), let up = y.position(of: yValue) else { return nil }
    return (
      ChartFrame.left + across * (ChartFrame.width - ChartFrame.left - ChartFrame.right),
      top + (1 - up) * ChartFrame.plotHeight
    )
  }

  /// Gridlines, ticks, labels and legend, drawn under the data.
  func furniture() -> Markup {
    element("g") {
      for tick in y.ticks {
        if let place = place(x.range.lowerBound, tick) {
          line("grid", (ChartFrame.left, place.y), (ChartFrame.width - ChartFrame.right, place.y))
          label("tick", ChartFrame.left - 7, place.y + 4, y.label(tick), anchor: "end")
        }
      }
      for tick in x.ticks {
        if let place = place(tick, y.range.lowerBound) {
          line("axis", (place.x, place.y), (place.x, place.y + 4))
          label("tick", place.x, place.y + 17, x.label(tick), anchor: "middle")
        }
      }
      baseline()
      label("unit", ChartFrame.left - 44, top - 10, yLabel, anchor: "start")
      label(
        "unit", ChartFrame.width - ChartFrame.right, top + ChartFrame.plotHeight + 36, xLabel,
        anchor: "end")
      for (entry, place) in zip(legend, legendPlaces) {
        let middle = 10 + Double(place.row) * ChartFrame.legendRow
        line("line s\(entry.style)", (place.x, middle), (place.x + 20, middle))
        label("key", place.x + 25, middle + 4, entry.name, anchor: "start")
      }
    }
  }

  private func baseline() -> Markup {
    let y = top + ChartFrame.plotHeight
    return line("axis", (ChartFrame.left, y), (ChartFrame.width - ChartFrame.right, y))
  }

  private func line(
    _ style: String, _ from: (x: Double, y: Double), _ to: (x: Double, y: Double)
  ) -> Markup {
    Shape.line(style, from, to)
  }

  private func label(
    _ style: String, _ x: Double, _ y: Double, _ text: String, anchor: String
  ) -> Markup {
    Shape.label(style, x, y, text, anchor: anchor)
  }
}

/// SVG primitives with rounded coordinates.
enum Shape {
  static func line(
    _ style: String, _ from: (x: Double, y: Double), _ to: (x: Double, y: Double)
  ) -> Markup {
    element(
      "line",
      [
        "class": style, "x1": Figures.coordinate(from.x), "y1": Figures.coordinate(from.y),
        "x2": Figures.coordinate(to.x), "y2": Figures.coordinate(to.y),
      ])
  }

  /// Text with its baseline at `y`; `anchor` is start, middle or end.
  static func label(
    _ style: String, _ x: Double, _ y: Double, _ text: String, anchor: String
  ) -> Markup {
    element(
      "text",
      [
        "class": style, "x": Figures.coordinate(x), "y": Figures.coordinate(y),
        "text-anchor": anchor,
      ]
    ) { text }
  }

  static func circle(_ style: String, _ center: (x: Double, y: Double), radius: Double) -> Markup {
    element(
      "circle",
      [
        "class": style, "cx": Figures.coordinate(center.x), "cy": Figures.coordinate(center.y),
        "r": Figures.coordinate(radius),
      ])
  }

  static func rectangle(
    _ style: String, x: Double, y: Double, width: Double, height: Double, corner: Double = 0,
    title: String? = nil
  ) -> Markup {
    element(
      "rect",
      [
        "class": style, "x": Figures.coordinate(x), "y": Figures.coordinate(y),
        "width": Figures.coordinate(width), "height": Figures.coordinate(height),
        "rx": Figures.coordinate(corner),
      ]
    ) {
      if let title { element("title") { title } }
    }
  }

  /// The outermost element of a picture, with its title and description for screen readers.
  ///
  /// A standalone picture contains its style sheet and a background.
  static func picture(
    id: String, width: Double, height: Double, title: String, description: String,
    standalone: Bool = false, @MarkupBuilder _ content: () -> [Markup]
  ) -> Markup {
    let children: [Markup] =
      [
        element("title", ["id": "\(id)-title"]) { title },
        element("desc", ["id": "\(id)-description"]) { description },
      ] + (standalone ? background : []) + content()
    let size = "\(Figures.coordinate(width)) \(Figures.coordinate(height))"
    var attributes: [(name: String, value: String)] = [
      ("class", "picture"), ("viewBox", "0 0 \(size)"), ("role", "img"),
      ("aria-labelledby", "\(id)-title \(id)-description"),
    ]
    if standalone {
      attributes += [
        ("xmlns", "http://www.w3.org/2000/svg"), ("width", Figures.coordinate(width)),
        ("height", Figures.coordinate(height)),
      ]
    }
    return .element(name: "svg", attributes: attributes, children: children)
  }

  private static let background = [
    element("style") { ChartStyle.standalone },
    element("rect", ["class": "page", "width": "100%", "height": "100%"]),
  ]
}
