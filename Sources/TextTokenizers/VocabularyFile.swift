import Foundation

/// A JSON object of token ids, `{"a": 0, "b</w>": 1}`.
///
/// Keys stay UTF-8 bytes: a dictionary of `String` would merge canonically equal tokens.
enum VocabularyFile {
  /// The ids by token.
  static func read(_ path: String) throws(TokenizerError) -> [[UInt8]: Int] {
    var reader = FlatObjectReader(bytes: try fileBytes(path), path: path)
    return try reader.read()
  }

  /// Tokens in order of their ids, as JSON text.
  static func text(_ tokens: [[UInt8]]) -> [UInt8] {
    var text: [UInt8] = [UInt8(ascii: "{")]
    for (id, token) in tokens.enumerated() {
      if id > 0 { text += ", ".utf8 }
      text.append(UInt8(ascii: "\""))
      for byte in token {
        // Tokens are printable characters: these two alone need an escape.
        if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
          text.append(UInt8(ascii: "\\"))
        }
        text.append(byte)
      }
      text += "\": \(id)".utf8
    }
    return text + "}\n".utf8
  }
}

/// The contents of the file at `path`.
func fileBytes(_ path: String) throws(TokenizerError) -> [UInt8] {
  do {
    return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
  } catch {
    throw .unreadable(path: path, reason: error.localizedDescription)
  }
}

private struct FlatObjectReader {
  let bytes: [UInt8]
  let path: String
  var position = 0

  init(bytes: [UInt8], path: String) {
    self.bytes = bytes
    self.path = path
  }

  mutating func read() throws(TokenizerError) -> [[UInt8]: Int] {
    var ids: [[UInt8]: Int] = [:]
    try expect("{")
    if peek() == UInt8(ascii: "}") { return ids }
    repeat {
      let key = try string()
      try expect(":")
      let id = try integer()
      guard ids.updateValue(id, forKey: key) == nil else {
        throw problem("'\(String(decoding: key, as: UTF8.self))' is given twice")
      }
    } while try isFollowed(by: ",")
    try expect("}")
    guard peek() == nil else { throw problem("text after the closing brace") }
    return ids
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
    guard try isFollowed(by: character) else { throw problem("expected '\(character)'") }
  }

  private mutating func isFollowed(by character: Unicode.Scalar) throws(TokenizerError) -> Bool {
    guard peek() == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func integer() throws(TokenizerError) -> Int {
    var digits: [UInt8] = []
    while let byte = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
      digits.append(byte)
      position += 1
    }
    guard let value = Int(String(decoding: digits, as: UTF8.self)) else {
      throw problem("expected a token id")
    }
    return value
  }

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
