/// A scalar, read by the rules of YAML 1.2's core schema.
///
/// Null, truth values and numbers are plain (unquoted) text. `yes`, `no`, `on` and `off` are text,
/// as in YAML 1.2; so are octal, hexadecimal and sexagesimal numbers.
struct RecipeScalar {
  /// The text without quotes, escapes resolved.
  let text: String
  /// Whether it is written without quotes.
  let isPlain: Bool

  /// True for `null`, `~` and empty plain text.
  var isNull: Bool { isPlain && ["", "~", "null", "Null", "NULL"].contains(text) }

  /// `true` or `false`; nil for anything else.
  var bool: Bool? {
    guard isPlain else { return nil }
    switch text {
    case "true", "True", "TRUE": return true
    case "false", "False", "FALSE": return false
    default: return nil
    }
  }

  /// A whole number: digits with an optional sign, and `_` between digits; nil for anything else.
  var int: Int? {
    guard isPlain, Self.isGrouped(text) else { return nil }
    return Int(text.filter { $0 != "_" })
  }

  /// A finite decimal number, whole or not; nil for anything else.
  var double: Double? {
    guard isPlain, looksNumeric, Self.isGrouped(text),
      let value = Double(text.filter { $0 != "_" }), value.isFinite
    else { return nil }
    return value
  }

  /// True for a decimal number, in range or not, its `_` in the right places or not.
  var looksNumeric: Bool {
    guard isPlain, let first = text.utf8.first else { return false }
    let isSigned = first == UInt8(ascii: "-") || first == UInt8(ascii: "+")
    let body = isSigned ? text.dropFirst() : text[...]
    guard let head = body.utf8.first else { return false }
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    guard digits.contains(head) || head == UInt8(ascii: ".") else { return false }
    return body.utf8.allSatisfy { digits.contains($0) || "._eE+-".utf8.contains($0) }
      && Double(text.filter { $0 != "_" }) != nil
  }

  /// The scalar in words, for "expected …, found …".
  var found: String {
    if isNull { return text.isEmpty ? "nothing" : "null" }
    if bool != nil || looksNumeric { return text }
    return "the text \"\(text.count > 60 ? text.prefix(60) + "…" : text[...])\""
  }

  /// Whether every `_` stands between two digits.
  private static func isGrouped(_ text: String) -> Bool {
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    let bytes = Array(text.utf8)
    return bytes.indices.allSatisfy { index in
      bytes[index] != UInt8(ascii: "_")
        || (index > 0 && index + 1 < bytes.count && digits.contains(bytes[index - 1])
          && digits.contains(bytes[index + 1]))
    }
  }
}
