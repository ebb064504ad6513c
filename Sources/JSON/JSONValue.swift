/// A JSON value whose objects keep the order of their keys.
///
/// Written on one line without spaces; numbers are the shortest text that reads back exactly, and a
/// floating-point number always has a point or an exponent, so that it stays one.
package enum JSONValue: Sendable, Hashable {
  case null
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case array([JSONValue])
  case object([Member])

  /// A key and its value.
  package struct Member: Sendable, Hashable {
    package let key: String
    package let value: JSONValue

    package init(_ key: String, _ value: JSONValue) {
      self.key = key
      self.value = value
    }
  }

  /// The value of an object's key; nil when it is no object or has no such key.
  package subscript(_ key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key == key }?.value
  }

  /// A number as floating point, whole or not.
  package var number: Double? {
    switch self {
    case .int(let value): Double(value)
    case .double(let value): value
    default: nil
    }
  }

  /// A whole number.
  package var int: Int? {
    if case .int(let value) = self { value } else { nil }
  }

  /// A text.
  package var string: String? {
    if case .string(let value) = self { value } else { nil }
  }

  /// The items of an array.
  package var array: [JSONValue]? {
    if case .array(let items) = self { items } else { nil }
  }

  /// The members of an object, in order.
  package var members: [Member]? {
    if case .object(let members) = self { members } else { nil }
  }
}

extension JSONValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral,
  ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
  package init(nilLiteral: ()) { self = .null }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(integerLiteral value: Int) { self = .int(value) }
  package init(floatLiteral value: Double) { self = .double(value) }
  package init(stringLiteral value: String) { self = .string(value) }
  package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  package init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(elements.map(Member.init))
  }
}

extension JSONValue {
  /// The value as JSON text on one line.
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

  /// The path and value of the first number in it that JSON cannot hold, if there is one.
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
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
