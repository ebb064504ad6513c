/// A piece of HTML or SVG as a tree. Text and attribute values are escaped when it is rendered, so
/// no prompt, path or recipe can change the page's structure.
package indirect enum Markup: Sendable {
  /// Character data, escaped on rendering.
  case text(String)
  /// Constant text of the program (style sheets), rendered unescaped.
  case verbatim(StaticString)
  case element(name: String, attributes: [(name: String, value: String)], children: [Markup])
  /// Siblings without a parent.
  case fragment([Markup])

  /// The markup as characters.
  package func rendered() -> String {
    var output = ""
    write(to: &output)
    return output
  }

  private func write(to output: inout String) {
    switch self {
    case .text(let text):
      output += Markup.escaped(text)
    case .verbatim(let text):
      output += "\(text)"
    case .fragment(let children):
      for child in children { child.write(to: &output) }
    case .element(let name, let attributes, let children):
      output += "<\(name)"
      for attribute in attributes {
        output += " \(attribute.name)=\"\(Markup.escaped(attribute.value))\""
      }
      if children.isEmpty, Markup.selfClosing.contains(name) {
        output += "/>"
        return
      }
      output += ">"
      for child in children { child.write(to: &output) }
      output += "</\(name)>"
      if Markup.blocks.contains(name) { output += "\n" }
    }
  }

  /// HTML's void elements and SVG's shapes: only these may be written `<name/>` in HTML.
  private static let selfClosing: Set<String> = [
    "meta", "br", "hr", "img", "col", "link", "path", "line", "rect", "circle", "polyline",
    "polygon", "image", "use",
  ]

  private static let blocks: Set<String> = [
    "html", "head", "body", "section", "figure", "table", "thead", "tbody", "tr", "svg", "g", "p",
    "h1", "h2", "h3", "ul", "li", "dl", "div", "title", "style", "details", "header", "footer",
  ]

  /// `&`, `<`, `>` and both quotes as entities; characters that XML forbids become U+FFFD.
  package static func escaped(_ text: String) -> String {
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      case "\t", "\n": result.unicodeScalars.append(scalar)
      case "\r": result += "\n"
      case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}

/// Collects children of an element: strings become escaped text.
@resultBuilder
package enum MarkupBuilder {
  package static func buildExpression(_ markup: Markup) -> [Markup] { [markup] }
  package static func buildExpression(_ text: String) -> [Markup] { [.text(text)] }
  package static func buildExpression(_ markup: [Markup]) -> [Markup] { markup }
  package static func buildExpression(_ markup: Markup?) -> [Markup] { markup.map { [$0] } ?? [] }
  package static func buildBlock(_ parts: [Markup]...) -> [Markup] { parts.flatMap { $0 } }
  package static func buildOptional(_ part: [Markup]?) -> [Markup] { part ?? [] }
  package static func buildEither(first: [Markup]) -> [Markup] { first }
  package static func buildEither(second: [Markup]) -> [Markup] { second }
  package static func buildArray(_ parts: [[Markup]]) -> [Markup] { parts.flatMap { $0 } }
}

/// An element with its attributes in the order written.
package func element(
  _ name: String, _ attributes: KeyValuePairs<String, String> = [:],
  @MarkupBuilder _ children: () -> [Markup] = { [] }
) -> Markup {
  .element(
    name: name, attributes: attributes.map { (name: $0.key, value: $0.value) },
    children: children())
}
