/// A single-byte character set, as which UTF-8 text may have been misread.
struct CodePage: Sendable {
  /// The scalar of each byte; nil for an undefined byte.
  private let scalars: [Unicode.Scalar?]
  private let bytes: [Unicode.Scalar: UInt8]
  /// Whether the byte 0x1A means U+FFFD, a character lost by an earlier decoder.
  let marksLoss: Bool

  /// - Parameter isLenient: whether an undefined byte maps to the scalar of its number and lost
  ///   characters are marked, as in ftfy's "sloppy" codecs.
  private init(_ table: String, isLenient: Bool) {
    var scalars: [Unicode.Scalar?] = (0..<0x80).map { Unicode.Scalar(UInt8($0)) }
    for (offset, entry) in table.split(whereSeparator: \.isWhitespace).enumerated() {
      let known = UInt32(entry, radix: 16).flatMap(Unicode.Scalar.init)
      scalars.append(known ?? (isLenient ? Unicode.Scalar(UInt8(0x80 + offset)) : nil))
    }
    precondition(scalars.count == 256, "a code page has 256 bytes")
    if isLenient { scalars[0x1A] = "\u{FFFD}" }
    var bytes: [Unicode.Scalar: UInt8] = [:]
    for (byte, scalar) in scalars.enumerated() {
      if let scalar { bytes[scalar] = UInt8(byte) }
    }
    self.scalars = scalars
    self.bytes = bytes
    marksLoss = isLenient
  }

  /// The bytes of a text; nil if a scalar has none.
  func bytes(of text: [Unicode.Scalar]) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    for scalar in text {
      guard let byte = bytes[scalar] else { return nil }
      result.append(byte)
    }
    return result
  }

  /// The text of bytes; nil if a byte is undefined.
  func text(of bytes: [UInt8]) -> [Unicode.Scalar]? {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(bytes.count)
    for byte in bytes {
      guard let scalar = scalars[Int(byte)] else { return nil }
      result.append(scalar)
    }
    return result
  }

  /// The scalars of a range of bytes.
  func scalars(_ range: ClosedRange<UInt8>) -> [Unicode.Scalar] {
    range.compactMap { scalars[Int($0)] }
  }
}

extension CodePage {
  /// ISO 8859-1: every byte is the scalar of its number.
  static let latin1 = CodePage(
    (0x80...0xFF).map { String($0, radix: 16) }.joined(separator: " "), isLenient: false)
  /// Windows-1252 with its five undefined bytes.
  static let windows1252 = CodePage(CodePageTables.windows1252, isLenient: false)
  /// Windows-1252 with the undefined bytes filled.
  static let lenientWindows1252 = CodePage(CodePageTables.windows1252, isLenient: true)
  /// Mac Roman: here an en dash before a space resembles a letter whose second byte was lost.
  static let macRoman = CodePage(CodePageTables.macRoman, isLenient: false)

  /// The Windows pages: Western, Cyrillic, Central European, Greek, Turkish, Baltic.
  private static let windows =
    [lenientWindows1252]
    + [
      CodePageTables.windows1251, CodePageTables.windows1250, CodePageTables.windows1253,
      CodePageTables.windows1254, CodePageTables.windows1257,
    ].map { CodePage($0, isLenient: true) }

  /// The pages whose letters have about the same bytes as in Latin-1.
  static let latinLike = [latin1] + windows

  /// Every page after ``latin1``, in the order in which they are tried.
  static let others =
    windows.map { (page: $0, restoresSpaces: true) } + [
      (page: CodePage(CodePageTables.iso8859Part2, isLenient: false), restoresSpaces: true),
      (page: macRoman, restoresSpaces: false),
      (page: CodePage(CodePageTables.cp437, isLenient: false), restoresSpaces: true),
    ]
}
