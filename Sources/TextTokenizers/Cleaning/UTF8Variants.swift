/// Decodes UTF-8 and the variants of older programs.
enum UTF8Variants {
  /// The text of bytes; nil if they are not UTF-8. At a byte 0xED or 0xC0, CESU-8 (a supplementary
  /// scalar as two surrogates of three bytes each) and Java's null (0xC0 0x80) are accepted as
  /// well.
  static func text(of bytes: [UInt8]) -> [Unicode.Scalar]? {
    guard bytes.contains(where: { $0 == 0xED || $0 == 0xC0 }) else { return strict(bytes[...]) }
    var result: [Unicode.Scalar] = []
    var start = 0
    var position = 0
    while position < bytes.count {
      let rest = bytes[position...]
      guard rest.first == 0xC0 || rest.first == 0xED, isSpecial(rest) else {
        position += 1
        continue
      }
      guard let before = strict(bytes[start..<position]),
        let (scalar, length) = special(rest)
      else { return nil }
      result += before
      result.append(scalar)
      position += length
      start = position
    }
    guard let after = strict(bytes[start...]) else { return nil }
    return result + after
  }

  private static func strict(_ bytes: ArraySlice<UInt8>) -> [Unicode.Scalar]? {
    String(validating: bytes, as: UTF8.self).map { Array($0.unicodeScalars) }
  }

  /// Whether `bytes` begins with Java's null or a surrogate, which the end may cut off. A final
  /// newline counts as the end.
  private static func isSpecial(_ bytes: ArraySlice<UInt8>) -> Bool {
    bytes.first == 0xC0
      ? holds(bytes, 1, 0x80...0x80)
      : holds(bytes, 1, 0xA0...0xBF) && holds(bytes, 2, 0x80...0xBF)
  }

  /// The scalar at the beginning of `bytes`, and its length.
  private static func special(
    _ bytes: ArraySlice<UInt8>
  ) -> (scalar: Unicode.Scalar, length: Int)? {
    if bytes.first == 0xC0 { return bytes.count > 1 ? ("\0", 2) : nil }
    let trails: [ClosedRange<UInt8>] = [
      0xA0...0xAF, 0x80...0xBF, 0xED...0xED, 0xB0...0xBF, 0x80...0xBF,
    ]
    guard bytes.count >= 6,
      trails.indices.allSatisfy({ holds(bytes, $0 + 1, trails[$0]) })
    else { return nil }
    func bits(_ offset: Int, _ mask: UInt8) -> UInt32 {
      UInt32(bytes[bytes.startIndex + offset] & mask)
    }
    let value = bits(1, 0xF) << 16 + bits(2, 0x3F) << 10 + bits(4, 0xF) << 6 + bits(5, 0x3F)
    return Unicode.Scalar(value + 0x10000).map { ($0, 6) }
  }

  /// Whether the byte at `offset` is in `range` or past the end of the text.
  private static func holds(
    _ bytes: ArraySlice<UInt8>, _ offset: Int, _ range: ClosedRange<UInt8>
  ) -> Bool {
    let index = bytes.startIndex + offset
    guard index < bytes.endIndex else { return true }
    return range.contains(bytes[index]) || index == bytes.endIndex - 1 && bytes[index] == 0x0A
  }
}
