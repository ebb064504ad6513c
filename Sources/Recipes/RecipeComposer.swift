import Yams

/// Turns YAML text into a tree of nodes with their origins.
///
/// Anchors, aliases, merge keys, explicit tags, keys that are not text and several documents in one
/// file are errors.
struct RecipeComposer {
  /// No recipe nests deeper.
  private static let depthLimit = 24

  /// The origin of a line and column of the text, both from 1.
  let origin: (_ line: Int, _ column: Int) -> RecipeOrigin
  /// The issues found so far.
  private(set) var issues: [RecipeIssue] = []

  init(origin: @escaping (_ line: Int, _ column: Int) -> RecipeOrigin) {
    self.origin = origin
  }

  /// The tree of a text; nil when the text is empty, and, with an issue, when it is not YAML.
  mutating func compose(_ text: String) -> RecipeNode? {
    do {
      let parser = try Parser(yaml: text, encoding: .utf8)
      // The parser owns the anchors that the nodes point to.
      return try withExtendedLifetime(parser) {
        try parser.singleRoot().map { convert($0, depth: 0) }
      }
    } catch let error as YamlError {
      issues.append(issue(for: error, in: text))
    } catch {
      issues.append(RecipeIssue(origin(1, 1), "not readable as YAML: \(error)"))
    }
    return nil
  }

  private mutating func convert(_ node: Node, depth: Int) -> RecipeNode {
    let origin = place(node.mark)
    let absent = RecipeNode(content: .scalar(RecipeScalar(text: "", isPlain: true)), origin: origin)
    if let anchor = node.anchor {
      let name = anchor.rawValue
      report(origin, "anchors and aliases are not allowed (&\(name)); write the value out")
      return absent
    }
    guard depth < Self.depthLimit else {
      report(origin, "nested deeper than \(Self.depthLimit) levels")
      return absent
    }
    switch node {
    case .scalar(let scalar):
      return RecipeNode(content: .scalar(convert(scalar, origin)), origin: origin)
    case .sequence(let sequence):
      check(sequence.tag, origin)
      let items = sequence.map { convert($0, depth: depth + 1) }
      return RecipeNode(content: .list(items), origin: origin)
    case .mapping(let mapping):
      check(mapping.tag, origin)
      return RecipeNode(content: .section(entries(mapping, depth: depth)), origin: origin)
    case .alias:
      report(origin, "anchors and aliases are not allowed; write the value out")
      return absent
    }
  }

  private mutating func convert(_ scalar: Node.Scalar, _ origin: RecipeOrigin) -> RecipeScalar {
    let isPlain = scalar.style == .plain || scalar.style == .any
    if isPlain { check(scalar.tag, origin) }
    return RecipeScalar(text: scalar.string, isPlain: isPlain)
  }

  private mutating func entries(_ mapping: Node.Mapping, depth: Int) -> [RecipeEntry] {
    var entries: [RecipeEntry] = []
    for (key, value) in mapping {
      let keyOrigin = place(key.mark)
      guard case .scalar(let scalar) = key, !scalar.string.isEmpty else {
        report(keyOrigin, "a key must be text")
        continue
      }
      if scalar.string == "<<" {
        report(keyOrigin, "merge keys (<<) are not allowed; write the values out")
        continue
      }
      if key.anchor != nil {
        report(keyOrigin, "anchors and aliases are not allowed; write the key out")
      }
      if entries.contains(where: { $0.key == scalar.string }) {
        report(keyOrigin, "the key \"\(scalar.string)\" is given twice in one section")
        continue
      }
      let converted = convert(value, depth: depth + 1)
      entries.append(RecipeEntry(key: scalar.string, keyOrigin: keyOrigin, value: converted))
    }
    return entries
  }

  private mutating func check(_ tag: Tag, _ origin: RecipeOrigin) {
    if tag != .implicit {
      report(origin, "explicit tags are not allowed (\(tag)); write the value alone")
    }
  }

  private mutating func report(_ origin: RecipeOrigin, _ message: String) {
    issues.append(RecipeIssue(origin, message))
  }

  private func place(_ mark: Mark?) -> RecipeOrigin {
    origin(mark?.line ?? 1, mark?.column ?? 1)
  }

  /// The issue of the parser's error, one line with its place.
  private func issue(for error: YamlError, in text: String) -> RecipeIssue {
    switch error {
    case .scanner(let context, let problem, let mark, _),
      .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      let place = origin(mark.line, mark.column)
      if problem == "found undefined alias" {
        return RecipeIssue(place, "anchors and aliases are not allowed; write the value out")
      }
      let detail = context.map { " (\($0.text))" } ?? ""
      return RecipeIssue(place, "not readable as YAML: \(problem)\(detail)")
    case .duplicatedKeysInMapping(let duplicates, let context):
      let names = duplicates.map { "\"\($0)\"" }.joined(separator: ", ")
      return RecipeIssue(
        origin(context.mark.line, context.mark.column),
        "given more than once in one section: \(names)")
    case .reader(let problem, let offset, _, _):
      let (line, column) = position(of: offset ?? 0, in: text)
      return RecipeIssue(origin(line, column), "not readable as YAML: \(problem)")
    default:
      return RecipeIssue(origin(1, 1), "not readable as YAML: \(error)")
    }
  }

  /// Line and column, both from 1, of a character offset.
  private func position(of offset: Int, in text: String) -> (Int, Int) {
    let before = text.prefix(offset)
    let line = before.count(where: \.isNewline) + 1
    let column = before.reversed().prefix { !$0.isNewline }.count + 1
    return (line, column)
  }
}
