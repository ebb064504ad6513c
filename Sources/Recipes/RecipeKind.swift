internal import Foundations

/// A type of value: how it is read from a recipe and written to the resolved one.
package struct RecipeKind<Value> {
  /// A valid value, returned after an error so that reading can go on.
  let standIn: Value
  /// Reads a node; throws the issue of a faulty one.
  let read: (RecipeNode, RecipeReading) throws(RecipeIssue) -> Value
  /// The value in the resolved recipe.
  let write: (Value) -> ResolvedValue
}

extension RecipeKind where Value == Int {
  /// A whole number within a range.
  ///
  /// - Parameter standIn: returned after an error; nil takes the range's.
  package static func int(in range: some RecipeRange<Int>, standIn: Int? = nil) -> Self {
    RecipeKind(standIn: standIn ?? range.standIn) { node, _ throws(RecipeIssue) in
      guard case .scalar(let scalar) = node.content, let value = scalar.int else {
        throw node.issue(expected: "a whole number")
      }
      guard range.contains(value) else {
        throw RecipeIssue(node.origin, "must be \(range.limits), found \(value)")
      }
      return value
    } write: {
      .scalar(String($0))
    }
  }
}

extension RecipeKind where Value == Int {
  /// An amount of memory in bytes, written with its unit: `24GB`, `512MiB`.
  package static var bytes: Self {
    RecipeKind(standIn: 1_000_000_000) { node, _ throws(RecipeIssue) in
      guard case .scalar(let scalar) = node.content, !scalar.isNull else {
        throw node.issue(expected: "an amount of memory such as 24GB")
      }
      for (unit, size) in byteUnits where scalar.text.hasSuffix(unit) {
        let number = scalar.text.dropLast(unit.count)
        guard let count = Double(number), count.isFinite, count > 0, count < 1e9 else { break }
        return Int(count * Double(size))
      }
      throw RecipeIssue(
        node.origin,
        "expected an amount of memory, found \"\(scalar.text)\"; write a number and one of "
          + byteUnits.map(\.name).joined(separator: ", ") + ", such as 24GB")
    } write: { bytes in
      let unit = byteUnits.first { bytes % $0.size == 0 }
      return .scalar(
        unit.map { "\(bytes / $0.size)\($0.name)" } ?? "\(Double(bytes) / 1e6)MB")
    }
  }
}

/// Units of memory, the largest first.
private let byteUnits: [(name: String, size: Int)] = [
  ("GiB", 1 << 30), ("GB", 1_000_000_000), ("MiB", 1 << 20), ("MB", 1_000_000),
]

extension RecipeKind where Value == Double {
  /// A finite number within a range.
  package static func double(in range: some RecipeRange<Double>) -> Self {
    RecipeKind(standIn: range.standIn) { node, _ throws(RecipeIssue) in
      guard case .scalar(let scalar) = node.content, let value = scalar.double else {
        throw node.issue(expected: "a finite number")
      }
      guard range.contains(value) else {
        throw RecipeIssue(node.origin, "must be \(range.limits), found \(scalar.text)")
      }
      return value
    } write: {
      .scalar(ResolvedValue.text(of: $0))
    }
  }
}

extension RecipeKind where Value == Bool {
  /// `true` or `false`.
  package static var bool: Self {
    RecipeKind(standIn: false) { node, _ throws(RecipeIssue) in
      guard case .scalar(let scalar) = node.content, let value = scalar.bool else {
        throw node.issue(expected: "true or false")
      }
      return value
    } write: {
      .scalar($0 ? "true" : "false")
    }
  }
}

extension RecipeKind where Value == String {
  /// Text; a number, truth value or null of YAML must be quoted.
  package static var string: Self {
    RecipeKind(standIn: "") { node, _ throws(RecipeIssue) in
      guard case .scalar(let scalar) = node.content, !scalar.isNull else {
        throw node.issue(expected: "a text")
      }
      guard scalar.bool == nil, !scalar.looksNumeric else {
        throw RecipeIssue(
          node.origin, "expected a text, found \(scalar.found); write \"\(scalar.text)\" in quotes")
      }
      return scalar.text
    } write: {
      .scalar(ResolvedValue.text(of: $0))
    }
  }

  /// A path, made absolute: it starts from the recipe's folder, or, in `--set`, from the current
  /// one.
  package static var path: Self {
    RecipeKind(standIn: "/") { node, reading throws(RecipeIssue) in
      let text = try string.read(node, reading)
      guard !text.isEmpty, !text.utf8.contains(0) else {
        throw RecipeIssue(node.origin, "expected a path, found an empty text")
      }
      return reading.absolutePath(text, origin: node.origin)
    } write: {
      .scalar(ResolvedValue.text(of: $0))
    }
  }
}

extension RecipeKind
where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
  /// One of the cases of an enumeration, written as its raw value.
  package static func choice(_ type: Value.Type = Value.self) -> Self {
    let names = Value.allCases.map(\.rawValue)
    return RecipeKind(standIn: Value.allCases[Value.allCases.startIndex]) {
      node, _ throws(RecipeIssue) in
      let valid = names.joined(separator: ", ")
      guard case .scalar(let scalar) = node.content, !scalar.isNull else {
        throw node.issue(expected: "one of \(valid)")
      }
      guard let value = Value(rawValue: scalar.text) else {
        let hint = nearest(to: scalar.text, among: names).map { "; did you mean \"\($0)\"?" } ?? ""
        throw RecipeIssue(node.origin, "\"\(scalar.text)\" is not one of \(valid)\(hint)")
      }
      return value
    } write: {
      .scalar(ResolvedValue.text(of: $0.rawValue))
    }
  }
}

extension RecipeKind {
  /// A list of items of one kind; errors name the item's place.
  package static func list<Item>(
    of kind: RecipeKind<Item>, count: some RecipeRange<Int> = 0...
  ) -> Self where Value == [Item] {
    RecipeKind(standIn: Array(repeating: kind.standIn, count: count.standIn)) {
      node, reading throws(RecipeIssue) in
      guard case .list(let items) = node.content else { throw node.issue(expected: "a list") }
      guard count.contains(items.count) else {
        throw RecipeIssue(
          node.origin, "the number of items must be \(count.limits), found \(items.count)")
      }
      var values: [Item] = []
      for item in items { values.append(try kind.read(item, reading)) }
      return values
    } write: {
      .list($0.map(kind.write))
    }
  }
}

extension RecipeNode {
  /// The issue of a value of the wrong type.
  func issue(expected: String) -> RecipeIssue {
    RecipeIssue(origin, "expected \(expected), found \(found)")
  }
}
