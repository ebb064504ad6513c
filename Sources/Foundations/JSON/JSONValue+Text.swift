extension JSONValue {
  /// The value as JSON text on one line, without spaces.
  ///
  /// Numbers are the shortest text that reads back exactly; one of floating point has a point or an
  /// exponent, so that it reads back as such.
  ///
  /// - Precondition: every number in it is finite (see `firstNonFinite`).
  package var text: String {
    var text = ""
    write(to: &text)
    return text
  }

  /// The text for messages: a number that is not finite is written as `nan` or `inf`.
  package var messageText: String {
    var text = ""
    write(to: &text, allowsNonFinite: true)
    return text
  }

  /// Path and value of the first number in it that is not finite, which JSON cannot hold; nil
  /// without one.
  package func firstNonFinite(at path: String = "") -> (path: String, value: Double)? {
    switch self {
    case .double(let value) where !value.isFinite: return (path, value)
    case .array(let items):
      for (index, item) in items.enumerated() {
        if let found = item.firstNonFinite(at: "\(path)[\(index)]") { return found }
      }
    case .object(let members):
      for member in members {
        let place = path.isEmpty ? member.key : "\(path).\(member.key)"
        if let found = member.value.firstNonFinite(at: place) { return found }
      }
    default: break
    }
    return nil
  }

  private func write(to text: inout String, allowsNonFinite: Bool = false) {
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .int(let value): text += String(value)
    case .double(let value):
      precondition(value.isFinite || allowsNonFinite, "JSON has no text for \(value)")
      text += "\(value)"
    case .string(let value): Self.write(value, to: &text)
    case .array(let items):
      text += "["
      for (index, item) in items.enumerated() {
        if index > 0 { text += "," }
        item.write(to: &text, allowsNonFinite: allowsNonFinite)
      }
      text += "]"
    case .object(let members):
      text += "{"
      for (index, member) in members.enumerated() {
        if index > 0 { text += "," }
        Self.write(member.key, to: &text)
        text += ":"
        member.value.write(to: &text, allowsNonFinite: allowsNonFinite)
      }
      text += "}"
    }
  }

  private static func write(_ string: String, to text: inout String) {
    // Most texts need no escapes, and some are images of a megabyte.
    let isPlain = string.utf8.allSatisfy {
      (0x20...0x7E).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
    }
    if isPlain {
      text += "\"\(string)\""
      return
    }
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\u{0}"..."\u{1F}", "\u{2028}", "\u{2029}":
        text += "\\u" + scalar.value.digits(4, radix: 16)
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
