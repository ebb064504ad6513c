/// JSON as read by `StrictJSONReader`; objects keep their order.
indirect enum StrictJSON {
  case object([(key: String, value: StrictJSON)])
  case array([StrictJSON])
  case string(String)
  /// A whole number that fits an `Int`.
  case integer(Int)
  /// Any other number.
  case number(Double)
  case bool(Bool)
  case null

  /// The text as the contents of a JSON string, without quotes.
  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\0"..<" ":
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}

/// Reads strict RFC 8259 JSON; an object with a duplicate key is an error.
///
/// Common readers silently keep the last of two equal keys; in a tensor file that would be one
/// tensor under another's name.
struct StrictJSONReader {
  private static let depthLimit = 32

  private let bytes: [UInt8]
  private let path: String
  private var position = 0
  private var depth = 0

  /// Reads one value that fills `bytes` except for white space.
  ///
  /// - Parameter path: the file to name in errors.
  /// - Throws: `SafetensorsError.malformed` or `.duplicateKey`.
  static func read(_ bytes: [UInt8], path: String) throws(SafetensorsError) -> StrictJSON {
    var reader = StrictJSONReader(bytes: bytes, path: path)
    let value = try reader.value()
    reader.skipSpace()
    guard reader.position == bytes.count else { throw reader.problem("text after the end") }
    return value
  }

  private init(bytes: [UInt8], path: String) {
    self.bytes = bytes
    self.path = path
  }

  private func problem(_ text: String) -> SafetensorsError {
    .malformed(path: path, offset: position, problem: text)
  }

  private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = current, [0x20, 0x0A, 0x0D, 0x09].contains(byte) { position += 1 }
  }

  private mutating func skip(_ character: Unicode.Scalar) -> Bool {
    guard current == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(SafetensorsError) {
    guard skip(character) else { throw problem("expected '\(character)'") }
  }

  private mutating func value() throws(SafetensorsError) -> StrictJSON {
    skipSpace()
    guard let byte = current else { throw problem("the text ends early") }
    switch byte {
    case UInt8(ascii: "{"): return try object()
    case UInt8(ascii: "["): return try array()
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  private mutating func word(
    _ text: StaticString, _ value: StrictJSON
  ) throws(SafetensorsError) -> StrictJSON {
    let end = position + text.utf8CodeUnitCount
    guard end <= bytes.count, "\(text)".utf8.elementsEqual(bytes[position..<end]) else {
      throw problem("expected a value")
    }
    position = end
    return value
  }

  private mutating func enter() throws(SafetensorsError) {
    position += 1
    depth += 1
    guard depth <= Self.depthLimit else { throw problem("nesting too deep") }
  }
}

// MARK: - Containers

extension StrictJSONReader {
  private mutating func object() throws(SafetensorsError) -> StrictJSON {
    try enter()
    defer { depth -= 1 }
    var members: [(key: String, value: StrictJSON)] = []
    var keys: Set<String> = []
    skipSpace()
    if skip("}") { return .object([]) }
    repeat {
      skipSpace()
      let key = try string()
      guard keys.insert(key).inserted else { throw .duplicateKey(path: path, key: key) }
      skipSpace()
      try expect(":")
      members.append((key, try value()))
      skipSpace()
    } while skip(",")
    try expect("}")
    return .object(members)
  }

  private mutating func array() throws(SafetensorsError) -> StrictJSON {
    try enter()
    defer { depth -= 1 }
    var elements: [StrictJSON] = []
    skipSpace()
    if skip("]") { return .array([]) }
    repeat {
      elements.append(try value())
      skipSpace()
    } while skip(",")
    try expect("]")
    return .array(elements)
  }
}

// MARK: - Numbers and strings

extension StrictJSONReader {
  private mutating func digits() -> Int {
    let start = position
    while let byte = current, (0x30...0x39).contains(byte) { position += 1 }
    return position - start
  }

  private mutating func number() throws(SafetensorsError) -> StrictJSON {
    let start = position
    var isInteger = true
    _ = skip("-")
    let startsWithZero = current == UInt8(ascii: "0")
    let count = digits()
    guard count > 0, !(startsWithZero && count > 1) else { throw problem("expected a value") }
    if skip(".") {
      isInteger = false
      guard digits() > 0 else { throw problem("expected a digit") }
    }
    if skip("e") || skip("E") {
      isInteger = false
      _ = skip("+") || skip("-")
      guard digits() > 0 else { throw problem("expected a digit") }
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger, let integer = Int(text) { return .integer(integer) }
    guard let real = Double(text) else { throw problem("number out of range") }
    return .number(real)
  }

  private mutating func string() throws(SafetensorsError) -> String {
    try expect("\"")
    var content: [UInt8] = []
    while let byte = current {
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: content, as: UTF8.self) else {
          throw problem("a string is not UTF-8")
        }
        return text
      case UInt8(ascii: "\\"): content.append(contentsOf: String(Character(try escape())).utf8)
      case 0..<0x20: throw problem("control character in a string")
      default: content.append(byte)
      }
    }
    throw problem("a string does not end")
  }

  private mutating func escape() throws(SafetensorsError) -> Unicode.Scalar {
    guard let byte = current else { throw problem("a string does not end") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): return try unicodeEscape()
    default: throw problem("unknown escape")
    }
  }

  private mutating func unicodeEscape() throws(SafetensorsError) -> Unicode.Scalar {
    let first = try hexadecimal()
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard first < 0xDC00, skip("\\"), skip("u") else { throw problem("half a surrogate pair") }
    let second = try hexadecimal()
    guard (0xDC00...0xDFFF).contains(second),
      let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    else { throw problem("half a surrogate pair") }
    return scalar
  }

  private mutating func hexadecimal() throws(SafetensorsError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw problem("expected a hexadecimal digit")
      }
      position += 1
      value = value << 4 | UInt32(digit)
    }
    return value
  }
}
