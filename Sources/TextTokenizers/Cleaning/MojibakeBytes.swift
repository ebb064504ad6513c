/// Repairs UTF-8 that lost bytes when it was decoded with a code page.
enum MojibakeBytes {
  // MARK: - Spaces

  /// Restores the byte 0xA0 where it became a space inside a character.
  static func restoringSpaces(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.indices.contains(where: { spaceSequence(in: bytes, at: $0) != nil }) else {
      return bytes
    }
    let separated = separatingLetterA(bytes)
    var result = separated
    var position = 0
    while position < separated.count {
      guard let length = spaceSequence(in: separated, at: position) else {
        position += 1
        continue
      }
      for index in position..<position + length where separated[index] == 0x20 {
        result[index] = 0xA0
      }
      position += length
    }
    return result
  }

  /// "à" as a word of its own is 0xC3 0xA0 and a space; one space of it remains.
  private static func separatingLetterA(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var position = 0
    while position < bytes.count {
      let rest = bytes[position...]
      if rest.starts(with: [0xC3, 0x20]), !endings.contains(where: rest.dropFirst(2).starts) {
        result += [0xC3, 0xA0, 0x20]
        position += 2
      } else {
        result.append(bytes[position])
        position += 1
      }
    }
    return result
  }

  /// The continuations of words with "à": Portuguese "àquele", "àquela", "àquilo", "às".
  private static let endings = [" ", "quele", "quela", "quilo", "s "].map { Array($0.utf8) }

  /// The length of the character at `start` if one of its bytes is a space.
  private static func spaceSequence(in bytes: [UInt8], at start: Int) -> Int? {
    func holds(_ slots: [(UInt8) -> Bool]) -> Bool {
      start + slots.count < bytes.count
        && slots.indices.allSatisfy { slots[$0](bytes[start + $0 + 1]) }
    }
    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 }
    func isTrail(_ byte: UInt8) -> Bool { (0x80...0xBF).contains(byte) }
    /// A trail byte other than 0x85, which becomes an ellipsis, and 0xA0.
    func isOther(_ byte: UInt8) -> Bool { isTrail(byte) && byte != 0x85 && byte != 0xA0 }
    let lead = bytes[start]
    switch lead {
    case 0xC2, 0xC3, 0xC5, 0xCE, 0xD0, 0xD9:
      return holds([isSpace]) ? 2 : nil
    case 0xE0...0xE3:
      if lead >= 0xE2, holds([isSpace, isOther]) { return 3 }
      return holds([isOther, isSpace]) ? 3 : nil
    case 0xF0:
      return holds([isSpace, isTrail, isTrail]) || holds([isTrail, isSpace, isTrail])
        || holds([isTrail, isTrail, isSpace]) ? 4 : nil
    default: return nil
    }
  }

  // MARK: - Lost bytes

  /// Replaces characters with a lost byte (0x1A, or one `?`) by U+FFFD.
  static func replacingLost(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var position = 0
    while position < bytes.count {
      if let length = lossySequence(bytes[position...]) {
        result += [0xEF, 0xBF, 0xBD]
        position += length
      } else {
        result.append(bytes[position])
        position += 1
      }
    }
    return result
  }

  /// The length of the incomplete character at the beginning of `bytes`.
  private static func lossySequence(_ bytes: ArraySlice<UInt8>) -> Int? {
    guard let lead = bytes.first else { return nil }
    if lead == 0x1A { return 1 }
    return patterns.first { pattern in
      pattern.lead.contains(lead) && bytes.count > pattern.trails.count
        && zip(bytes.dropFirst(), pattern.trails).allSatisfy { $1.holds($0) }
    }.map { $0.trails.count + 1 }
  }

  private struct Trail {
    var range: ClosedRange<UInt8> = 0x1A...0x1A
    var others: [UInt8] = []

    func holds(_ byte: UInt8) -> Bool { range.contains(byte) || others.contains(byte) }

    static let lost = Trail()
    static let lostOrQuestion = Trail(others: [0x3F])
    static let any = Trail(range: 0x80...0xBF, others: [0x1A])
    static let anyOrQuestion = Trail(range: 0x80...0xBF, others: [0x1A, 0x3F])
  }

  /// First bytes and the bytes after them; the first matching pattern applies.
  private static let patterns: [(lead: ClosedRange<UInt8>, trails: [Trail])] = [
    (0xC2...0xDF, [.lost]),
    (0xC2...0xC3, [Trail(range: 0x3F...0x3F)]),
    // Two surrogates: a supplementary character in CESU-8.
    (0xED...0xED, highSurrogate + [.lostOrQuestion] + lowSurrogate + [.anyOrQuestion]),
    (0xED...0xED, highSurrogate + [.anyOrQuestion] + lowSurrogate + [.lostOrQuestion]),
    (0xE0...0xEF, [.lostOrQuestion, .any]),
    (0xE0...0xEF, [.any, .lostOrQuestion]),
    (0xF0...0xF4, [.lostOrQuestion, .any, .any]),
    (0xF0...0xF4, [.any, .lostOrQuestion, .any]),
    (0xF0...0xF4, [.any, .any, .lostOrQuestion]),
  ]

  private static let highSurrogate = [Trail(range: 0xA0...0xAF)]
  private static let lowSurrogate = [Trail(range: 0xED...0xED), Trail(range: 0xB0...0xBF)]
}
