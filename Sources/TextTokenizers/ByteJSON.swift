import Foundation

/// JSON whose strings are UTF-8 bytes.
///
/// As `String` keys, canonically equivalent tokens would be equal.
indirect enum ByteJSON: Equatable {
  case object([[UInt8]: ByteJSON])
  case array([ByteJSON])
  case string([UInt8])
  case integer(Int)
  case real(Double)
  case boolean(Bool)
  case null

  /// Reads the file at `path`; an object with a duplicate key is an error.
  init(contentsOf path: String) throws(TokenizerError) {
    try self.init(bytes: fileBytes(path), path: path)
  }

  /// Reads `bytes`; `path` is their name in errors.
  init(bytes: [UInt8], path: String) throws(TokenizerError) {
    var reader = ByteJSONReader(bytes: bytes, path: path)
    self = try reader.read()
  }

  /// The member of an object.
  subscript(_ key: String) -> ByteJSON? {
    guard case .object(let members) = self else { return nil }
    return members[Array(key.utf8)]
  }
}

/// The contents of the file at `path`. A Git LFS pointer, which often replaces a large
/// `tokenizer.json`, is an error.
func fileBytes(_ path: String) throws(TokenizerError) -> [UInt8] {
  let bytes: [UInt8]
  do {
    bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
  } catch {
    throw .unreadable(path: path, reason: error.localizedDescription)
  }
  guard !bytes.starts(with: "version https://git-lfs.github.com/spec/".utf8) else {
    throw .unreadable(
      path: path,
      reason: "it is a Git LFS pointer in place of the file; run 'git lfs pull' in its "
        + "folder, or fetch the repository with 'hf download'")
  }
  return bytes
}

private struct ByteJSONReader {
  private static let depthLimit = 32

  private let bytes: [UInt8]
  private let path: String
  private var position = 0
  private var depth = 0

  init(bytes: [UInt8], path: String) {
    self.bytes = bytes
    self.path = path
  }

  mutating func read() throws(TokenizerError) -> ByteJSON {
    let value = try value()
    guard peek() == nil else { throw problem("text after the end") }
    return value
  }

  private func problem(_ reason: String) -> TokenizerError {
    .malformed(path: path, reason: "byte \(position): \(reason)")
  }

  /// The next byte that is not white space, or `nil` at the end.
  private mutating func peek() -> UInt8? {
    while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) {
      position += 1
    }
    return position < bytes.count ? bytes[position] : nil
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(TokenizerError) {
    guard isFollowed(by: character) else { throw problem("expected '\(character)'") }
  }

  private mutating func isFollowed(by character: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func value() throws(TokenizerError) -> ByteJSON {
    switch peek() {
    case UInt8(ascii: "{"):
      return try nested { reader throws(TokenizerError) in try reader.object() }
    case UInt8(ascii: "["):
      return try nested { reader throws(TokenizerError) in try reader.array() }
    case UInt8(ascii: "\""): return .string(try string())
    case nil: throw problem("the text ends early")
    default: return try scalar()
    }
  }

  private mutating func nested(
    _ body: (inout Self) throws(TokenizerError) -> ByteJSON
  ) throws(TokenizerError) -> ByteJSON {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthLimit else { throw problem("nesting too deep") }
    return try body(&self)
  }

  private mutating func object() throws(TokenizerError) -> ByteJSON {
    try expect("{")
    var members: [[UInt8]: ByteJSON] = [:]
    if isFollowed(by: "}") { return .object(members) }
    repeat {
      let key = try string()
      try expect(":")
      guard members.updateValue(try value(), forKey: key) == nil else {
        throw problem("'\(String(decoding: key, as: UTF8.self))' is given twice")
      }
    } while isFollowed(by: ",")
    try expect("}")
    return .object(members)
  }

  private mutating func array() throws(TokenizerError) -> ByteJSON {
    try expect("[")
    var elements: [ByteJSON] = []
    if isFollowed(by: "]") { return .array(elements) }
    repeat { elements.append(try value()) } while isFollowed(by: ",")
    try expect("]")
    return .array(elements)
  }

  /// A number, true, false or null.
  private mutating func scalar() throws(TokenizerError) -> ByteJSON {
    let start = position
    while position < bytes.count, !Self.ends.contains(bytes[position]) { position += 1 }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    switch text {
    case "true": return .boolean(true)
    case "false": return .boolean(false)
    case "null": return .null
    default:
      if let integer = Int(text) { return .integer(integer) }
      if let real = Double(text) { return .real(real) }
      position = start
      throw problem("expected a value")
    }
  }

  private static let ends = Set(",]} \t\r\n".utf8)

  private mutating func string() throws(TokenizerError) -> [UInt8] {
    try expect("\"")
    var content: [UInt8] = []
    while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
      let byte = bytes[position]
      position += 1
      if byte == UInt8(ascii: "\\") {
        try content.append(contentsOf: escape())
      } else {
        content.append(byte)
      }
    }
    guard position < bytes.count else { throw problem("a string does not end") }
    position += 1
    return content
  }

  private mutating func escape() throws(TokenizerError) -> [UInt8] {
    guard position < bytes.count else { throw problem("a string does not end") }
    let byte = bytes[position]
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0C]
    case UInt8(ascii: "n"): return [0x0A]
    case UInt8(ascii: "r"): return [0x0D]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "u"): return try unicodeEscape()
    default: throw problem("an unknown escape")
    }
  }

  private mutating func unicodeEscape() throws(TokenizerError) -> [UInt8] {
    var units = [try hexadecimal()]
    if UTF16.isLeadSurrogate(units[0]), bytes[position...].starts(with: "\\u".utf8) {
      position += 2
      units.append(try hexadecimal())
    }
    guard let text = String(validating: units, as: UTF16.self) else {
      throw problem("half a surrogate pair")
    }
    return Array(text.utf8)
  }

  private mutating func hexadecimal() throws(TokenizerError) -> UInt16 {
    let end = position + 4
    guard end <= bytes.count,
      let value = UInt16(String(decoding: bytes[position..<end], as: UTF8.self), radix: 16)
    else { throw problem("expected four hexadecimal digits") }
    position = end
    return value
  }
}
