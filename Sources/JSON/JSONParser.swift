/// Reads JSON (RFC 8259) and keeps the order of keys. Duplicate keys are an error.
package struct JSONParser {
  /// What is wrong with a text, and at which byte.
  package struct Failure: Error {
    package let reason: String
    /// An index of the bytes given.
    package let offset: Int
  }

  private static let deepest = 64
  private let bytes: ArraySlice<UInt8>
  private let allowsNonFinite: Bool
  private var position: Int

  /// Reads a whole text that holds one value.
  ///
  /// - Parameter allowsNonFinite: reads `NaN`, `Infinity` and `inf`, which programs write though
  ///   they are no JSON, and numbers beyond `Double`'s range as numbers that are not finite.
  package static func parse(
    _ bytes: ArraySlice<UInt8>, allowsNonFinite: Bool = false
  ) throws(Failure) -> JSONValue {
    var parser = JSONParser(
      bytes: bytes, allowsNonFinite: allowsNonFinite, position: bytes.startIndex)
    let value = try parser.value(depth: 0)
    parser.skipSpace()
    guard parser.position == bytes.endIndex else { throw parser.failure("text after the value") }
    return value
  }

  /// Reads a whole text that holds one array: its items, each with the byte at which it begins.
  package static func items(
    _ bytes: ArraySlice<UInt8>
  ) throws(Failure) -> [(offset: Int, value: JSONValue)] {
    var parser = JSONParser(bytes: bytes, allowsNonFinite: false, position: bytes.startIndex)
    guard parser.take("[") else { throw parser.failure("expected a list") }
    var items: [(offset: Int, value: JSONValue)] = []
    if !parser.take("]") {
      repeat {
        parser.skipSpace()
        items.append((parser.position, try parser.value(depth: 1)))
      } while parser.take(",")
      guard parser.take("]") else { throw parser.failure("expected a comma or ]") }
    }
    parser.skipSpace()
    guard parser.position == bytes.endIndex else { throw parser.failure("text after the list") }
    return items
  }

  private mutating func value(depth: Int) throws(Failure) -> JSONValue {
    skipSpace()
    guard depth < Self.deepest else { throw failure("nested deeper than \(Self.deepest) levels") }
    if allowsNonFinite, let value = nonFinite() { return value }
    switch peek {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    case nil: throw failure("the text ends where a value should be")
    default: return try number()
    }
  }

  private mutating func object(depth: Int) throws(Failure) -> JSONValue {
    position += 1
    var members: [JSONValue.Member] = []
    var keys: Set<String> = []
    if take("}") { return .object(members) }
    repeat {
      skipSpace()
      guard peek == UInt8(ascii: "\"") else { throw failure("expected a key in quotes") }
      let key = try string()
      guard keys.insert(key).inserted else { throw failure("the key \"\(key)\" is given twice") }
      guard take(":") else { throw failure("expected a colon") }
      members.append(JSONValue.Member(key, try value(depth: depth + 1)))
    } while take(",")
    guard take("}") else { throw failure("expected a comma or }") }
    return .object(members)
  }

  private mutating func array(depth: Int) throws(Failure) -> JSONValue {
    position += 1
    var items: [JSONValue] = []
    if take("]") { return .array(items) }
    repeat { items.append(try value(depth: depth + 1)) } while take(",")
    guard take("]") else { throw failure("expected a comma or ]") }
    return .array(items)
  }

  private mutating func literal(_ text: String, _ value: JSONValue) throws(Failure) -> JSONValue {
    guard bytes[position...].starts(with: text.utf8) else { throw failure("expected a value") }
    position += text.utf8.count
    return value
  }

  /// `NaN`, `Infinity` or `inf` with or without a sign, in letters of either case.
  private mutating func nonFinite() -> JSONValue? {
    let isNegative = peek == UInt8(ascii: "-")
    let rest = bytes[position...].dropFirst(isNegative ? 1 : 0)
    let words: [(text: String, value: Double)] = [
      ("nan", .nan), ("infinity", .infinity), ("inf", .infinity),
    ]
    // A letter's bit 0x20 is its case.
    let found = words.first { word in
      rest.count >= word.text.utf8.count && zip(rest, word.text.utf8).allSatisfy { $0 | 0x20 == $1 }
    }
    guard let found else { return nil }
    position += found.text.utf8.count + (isNegative ? 1 : 0)
    return .double(isNegative ? -found.value : found.value)
  }

  private mutating func number() throws(Failure) -> JSONValue {
    let start = position
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    func run(from first: Int) -> Int {
      bytes[first...].firstIndex { !digits.contains($0) } ?? bytes.endIndex
    }
    if peek == UInt8(ascii: "-") { position += 1 }
    let whole = position
    position = run(from: position)
    guard position > whole, bytes[whole] != UInt8(ascii: "0") || position == whole + 1 else {
      throw failure("expected a value")
    }
    var isWhole = true
    if peek == UInt8(ascii: ".") {
      isWhole = false
      let fraction = position + 1
      position = run(from: fraction)
      guard position > fraction else { throw failure("expected digits after the point") }
    }
    if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
      isWhole = false
      position += 1
      if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { position += 1 }
      let exponent = position
      position = run(from: exponent)
      guard position > exponent else { throw failure("expected digits of an exponent") }
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isWhole, let value = Int(text) { return .int(value) }
    guard let value = Double(text), value.isFinite || allowsNonFinite else {
      throw failure("a number out of range")
    }
    return .double(value)
  }

  private mutating func string() throws(Failure) -> String {
    position += 1
    var content: [UInt8] = []
    while let byte = peek, byte != UInt8(ascii: "\"") {
      guard byte >= 0x20 else { throw failure("a control character in a text") }
      position += 1
      if byte == UInt8(ascii: "\\") {
        content += String(try escape()).utf8
      } else {
        content.append(byte)
      }
    }
    guard peek != nil else { throw failure("a text without its closing quote") }
    position += 1
    guard let text = String(validating: content, as: UTF8.self) else {
      throw failure("a text that is not UTF-8")
    }
    return text
  }

  private mutating func escape() throws(Failure) -> Unicode.Scalar {
    guard let byte = peek else { throw failure("a text without its closing quote") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "u"): return try unicodeEscape()
    default: throw failure("an unknown escape")
    }
  }

  private mutating func unicodeEscape() throws(Failure) -> Unicode.Scalar {
    var code = try hexadecimal()
    if (0xD800..<0xDC00).contains(code), bytes[position...].starts(with: "\\u".utf8) {
      position += 2
      let low = try hexadecimal()
      guard (0xDC00..<0xE000).contains(low) else { throw failure("a broken surrogate pair") }
      code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(code) else { throw failure("a broken surrogate pair") }
    return scalar
  }

  private mutating func hexadecimal() throws(Failure) -> UInt32 {
    let end = position + 4
    guard end <= bytes.endIndex else { throw failure("a text without its closing quote") }
    var value: UInt32 = 0
    for byte in bytes[position..<end] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw failure("expected four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
    }
    position = end
    return value
  }

  private var peek: UInt8? { position < bytes.endIndex ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = peek, [0x20, 0x0A, 0x0D, 0x09].contains(byte) { position += 1 }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard peek == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private func failure(_ reason: String) -> Failure { Failure(reason: reason, offset: position) }
}
