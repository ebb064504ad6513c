/// Literals, numbers and texts.
extension JSONParser {
  mutating func literal(_ text: String, _ value: JSONValue) throws(Failure) -> JSONValue {
    guard bytes[position...].starts(with: text.utf8) else { throw failure("expected a value") }
    position += text.utf8.count
    return value
  }

  /// `NaN`, `Infinity` or `inf` with or without a sign, in letters of either case.
  mutating func nonFinite() -> JSONValue? {
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

  mutating func number() throws(Failure) -> JSONValue {
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

  mutating func string() throws(Failure) -> String {
    position += 1
    var content: [UInt8] = []
    while true {
      let plain = bytes[position...].prefix {
        $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
      }
      content += plain
      position = plain.endIndex
      guard peek == UInt8(ascii: "\\") else { break }
      position += 1
      content += String(try escape()).utf8
    }
    if let byte = peek, byte < 0x20 { throw failure("a control character in a text") }
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
}
