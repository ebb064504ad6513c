import Foundations

/// A value of a tokenizer's JSON file, with its file and key for errors.
struct JSONField {
  let value: JSONValue
  /// The file.
  let path: String
  /// The keys and indices that lead to the value, joined by dots; empty at the top.
  let key: String

  /// The top of the file at `path`.
  init(contentsOf path: String) throws(TokenizerError) {
    self.init(value: try TokenizerFile.json(path), path: path, key: "")
  }

  init(value: JSONValue, path: String, key: String) {
    self.value = value
    self.path = path
    self.key = key
  }

  /// Whether the value is missing or `null`.
  var isNull: Bool { value == .null }

  /// The member `name` of an object; `null` if there is none.
  subscript(_ name: String) -> JSONField {
    JSONField(value: value[name] ?? .null, path: path, key: key(of: name))
  }

  private func key(of name: String) -> String { key.isEmpty ? name : "\(key).\(name)" }

  /// Throws if an object has other members than `known`.
  func allowOnly(_ known: Set<String>) throws(TokenizerError) {
    for (name, member) in try members() where !known.contains(name) {
      throw .unknownKey(path: path, key: member.key)
    }
  }

  /// The members of an object, by name.
  func members() throws(TokenizerError) -> [(name: String, field: JSONField)] {
    guard let members = value.members else { throw wrong("an object") }
    return members.sorted { $0.key < $1.key }
      .map { ($0.key, JSONField(value: $0.value, path: path, key: key(of: $0.key))) }
  }

  /// The elements of a list.
  func elements() throws(TokenizerError) -> [JSONField] {
    guard let elements = value.array else { throw wrong("a list") }
    return elements.enumerated().map {
      JSONField(value: $0.element, path: path, key: "\(key).\($0.offset)")
    }
  }

  func text() throws(TokenizerError) -> [Unicode.Scalar] {
    Array(try string().unicodeScalars)
  }

  func string() throws(TokenizerError) -> String {
    guard let text = value.string else { throw wrong("text") }
    return text
  }

  func integer() throws(TokenizerError) -> Int {
    guard let integer = value.int else { throw wrong("a whole number") }
    return integer
  }

  func flag(or fallback: Bool) throws(TokenizerError) -> Bool {
    switch value {
    case .null: return fallback
    case .bool(let flag): return flag
    default: throw wrong("true or false")
    }
  }

  /// Throws if `truncation` or `padding` of a `tokenizer.json`, saved from its last use, has
  /// another side than the right, unless `configuration` overrides it. Lengths are given with each
  /// prompt.
  func checkSides(besides configuration: JSONField) throws(TokenizerError) {
    for (name, override) in [("truncation", "truncation_side"), ("padding", "padding_side")]
    where configuration[override].isNull {
      let direction = self[name]["direction"]
      guard !direction.isNull else { continue }
      let side = try direction.string()
      guard side.lowercased() == "right" else {
        throw direction.unsupported("'\(side)' is not supported")
      }
    }
  }

  /// The error for a valid value that is not supported.
  func unsupported(_ reason: String) -> TokenizerError {
    .unsupported(path: path, key: key, reason: reason)
  }

  /// The error for an invalid value.
  func wrong(_ expected: String) -> TokenizerError {
    .malformed(path: path, reason: "'\(key)' is not \(expected)")
  }
}
