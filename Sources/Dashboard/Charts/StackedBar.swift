/// One horizontal bar cut into parts, with a legend that gives each part's amount and share.
package struct StackedBar {
  /// One part of the whole.
  package struct Part: Equatable, Sendable {
    /// Name in the table.
    package var name: String
    /// At least 0, the same unit for all parts.
    package var amount: Double

    /// Makes a part.
    package init(name: String, amount: Double) {
      self.name = name
      self.amount = amount
    }
  }

  /// The caption.
  package var title: String
  /// From left to right.
  package var parts: [Part]

  /// Makes a bar.
  package init(title: String, parts: [Part]) {
    self.title = title
    self.parts = parts
  }

  private static let width = 960.0
  private static let height = 44.0

  var total: Double { parts.map(\.amount).reduce(0, +) }

  /// The picture; `id` is unique on the page.
  package func picture(id: String) -> Markup {
    let shares = parts.map { total > 0 ? $0.amount / total : 0 }
    return Shape.picture(
      id: id, width: StackedBar.width, height: StackedBar.height, title: title,
      description: zip(parts, shares).map { "\($0.name): \(Figures.percent($1))." }
        .joined(separator: " ")
    ) {
      for (index, part) in parts.enumerated() {
        let start = shares[..<index].reduce(0, +) * StackedBar.width
        let width = shares[index] * StackedBar.width
        Shape.rectangle(
          StackedBar.fill(index), x: start, y: 0, width: max(0, width - 2),
          height: StackedBar.height,
          corner: 3, title: "\(part.name): \(Figures.percent(shares[index]))")
        if width > 90 {
          Shape.label(
            "onfill", start + width / 2, StackedBar.height / 2 + 6,
            "\(Figures.fixed(shares[index] * 100, 0)) %", anchor: "middle")
        }
      }
    }
  }

  /// The bar with its caption.
  package func figure(id: String) -> Markup {
    element("figure") {
      element("figcaption") { title }
      picture(id: id)
    }
  }

  /// The parts as a table, each with its color.
  package func table(amount: (Double) -> String) -> Markup {
    element("table") {
      element("thead") {
        element("tr") {
          for name in ["Phase", "Time", "Share"] { element("th", ["scope": "col"]) { name } }
        }
      }
      element("tbody") {
        for (index, part) in parts.enumerated() {
          element("tr") {
            element("th", ["scope": "row"]) {
              swatch(index)
              part.name
            }
            element("td") { amount(part.amount) }
            element("td") { Figures.percent(total > 0 ? part.amount / total : 0) }
          }
        }
      }
    }
  }

  /// Class of a part's color; nine colors, repeated.
  private static func fill(_ index: Int) -> String { "fill\(index % 9)" }

  private func swatch(_ index: Int) -> Markup {
    element(
      "svg", ["class": "swatch", "viewBox": "0 0 10 10", "aria-hidden": "true"]
    ) { Shape.rectangle(StackedBar.fill(index), x: 0, y: 0, width: 10, height: 10, corner: 2) }
  }
}
