/// A recipe with every value, given or default, in reading order.
///
/// Its text is YAML that reads back to the same values. Equal values give equal bytes: the order is
/// that of reading, numbers are the shortest text that reads back exactly, and paths are absolute.
package struct ResolvedRecipe: Sendable, Equatable {
  /// The text of `recipe.yaml`.
  package let text: String
  /// Every value by the dotted path of its key, in order; a value is its YAML text.
  package let values: [(path: String, text: String)]

  /// A value that differs between two resolved recipes; nil where one of them lacks it.
  package struct Difference: Sendable, Equatable, CustomStringConvertible {
    package let path: String
    package let before: String?
    package let after: String?

    /// `path: before -> after`.
    package var description: String { "\(path): \(before ?? "absent") -> \(after ?? "absent")" }
  }

  /// The differences from an earlier recipe to this one.
  package func differences(from earlier: ResolvedRecipe) -> [Difference] {
    let before = Dictionary(earlier.values.map { ($0.path, $0.text) }) { first, _ in first }
    let after = Dictionary(values.map { ($0.path, $0.text) }) { first, _ in first }
    let changed = values.filter { before[$0.path] != $0.text }
    let gone = earlier.values.filter { after[$0.path] == nil }
    return changed.map { Difference(path: $0.path, before: before[$0.path], after: $0.text) }
      + gone.map { Difference(path: $0.path, before: $0.text, after: nil) }
  }

  package static func == (first: Self, second: Self) -> Bool { first.text == second.text }
}

extension ResolvedRecipe {
  private static let header =
    "# The resolved recipe of this run: every setting, given or default.\n"

  /// The text and the values of a section and those below it.
  init(_ root: RecipeSection) {
    var writer = Writer()
    writer.write(root, path: "", indent: "")
    text = Self.header + writer.text
    values = writer.values
  }

  private struct Writer {
    var text = ""
    var values: [(path: String, text: String)] = []

    mutating func write(_ section: RecipeSection, path: String, indent: String) {
      for (key, value) in section.resolved {
        let place = path.isEmpty ? key : path + "." + key
        text += indent + ResolvedValue.text(of: key) + ":"
        write(value, path: place, indent: indent)
      }
    }

    private mutating func write(_ value: ResolvedValue, path: String, indent: String) {
      switch value {
      case .scalar(let scalar): leaf(scalar, path)
      case .section(let section) where section.resolved.isEmpty: leaf("{}", path)
      case .section(let section):
        text += "\n"
        write(section, path: path, indent: indent + "  ")
      case .list(let items):
        guard items.contains(where: { if case .section = $0 { true } else { false } }) else {
          return leaf(Self.flow(value), path)
        }
        text += "\n"
        for (index, item) in items.enumerated() {
          text += indent + "  -"
          write(item, path: "\(path).\(index)", indent: indent + "  ")
        }
      }
    }

    private mutating func leaf(_ scalar: String, _ path: String) {
      text += " " + scalar + "\n"
      values.append((path, scalar))
    }

    /// A list of scalars and lists on one line.
    private static func flow(_ value: ResolvedValue) -> String {
      switch value {
      case .scalar(let scalar): scalar
      case .list(let items): "[" + items.map(flow).joined(separator: ", ") + "]"
      case .section: "{}"
      }
    }
  }
}
