/// The character classes of a scalar, for ``MojibakeHeuristic``.
struct MojibakeClass: OptionSet, Hashable, Sendable {
  let rawValue: UInt32

  /// Frequent in any text.
  static let common = MojibakeClass(rawValue: 1 << 0)
  /// The control characters U+0080 to U+009F.
  static let c1 = MojibakeClass(rawValue: 1 << 1)
  /// Rare outside misread text.
  static let bad = MojibakeClass(rawValue: 1 << 2)
  /// Paragraph and section signs.
  static let law = MojibakeClass(rawValue: 1 << 3)
  /// Currency signs.
  static let currency = MojibakeClass(rawValue: 1 << 4)
  /// Opening quotation marks, bullets and similar characters.
  static let startPunctuation = MojibakeClass(rawValue: 1 << 5)
  /// Closing quotation marks, and marks after a name.
  static let endPunctuation = MojibakeClass(rawValue: 1 << 6)
  /// Fractions, powers and mathematical signs.
  static let numeric = MojibakeClass(rawValue: 1 << 7)
  /// Letters used in kaomoji.
  static let kaomoji = MojibakeClass(rawValue: 1 << 8)
  /// Latin capitals with marks.
  static let upperAccented = MojibakeClass(rawValue: 1 << 9)
  /// Small Latin letters with marks.
  static let lowerAccented = MojibakeClass(rawValue: 1 << 10)
  /// Greek and Cyrillic capitals.
  static let upperCommon = MojibakeClass(rawValue: 1 << 11)
  /// Greek and Cyrillic small letters.
  static let lowerCommon = MojibakeClass(rawValue: 1 << 12)
  /// Box drawing.
  static let box = MojibakeClass(rawValue: 1 << 13)
  /// a to z.
  static let smallLatin = MojibakeClass(rawValue: 1 << 14)
  /// A to Z.
  static let capitalLatin = MojibakeClass(rawValue: 1 << 15)
  /// Python's `\s`.
  static let whiteSpace = MojibakeClass(rawValue: 1 << 16)
  /// Python's `\w`.
  static let word = MojibakeClass(rawValue: 1 << 17)

  /// Latin letters with marks.
  static let accented: MojibakeClass = [.lowerAccented, .upperAccented]
  /// Punctuation of either side.
  static let punctuation: MojibakeClass = [.startPunctuation, .endPunctuation]

  private static let classes: [Unicode.Scalar: MojibakeClass] = {
    var classes: [Unicode.Scalar: MojibakeClass] = [:]
    for (kind, text) in table {
      for entry in text.split(whereSeparator: \.isWhitespace) {
        let ends = entry.split(separator: "-").compactMap { UInt32($0, radix: 16) }
        for value in ends[0]...ends[ends.count - 1] {
          if let scalar = Unicode.Scalar(value) { classes[scalar, default: []].insert(kind) }
        }
      }
    }
    return classes
  }()
}

extension MojibakeClass {
  /// All classes of `scalar`.
  init(_ scalar: Unicode.Scalar) {
    self = scalar.isASCII ? [] : Self.classes[scalar] ?? []
    if scalar.isPythonSpace { insert(.whiteSpace) }
    if ("a"..."z").contains(scalar) { insert(.smallLatin) }
    if ("A"..."Z").contains(scalar) { insert(.capitalLatin) }
    if scalar == "_" || scalar.isLetter || scalar.properties.numericType != nil { insert(.word) }
  }
}

extension Unicode.Scalar {
  /// Whether Python's `str.isspace` holds: white space, and the four separators before U+0020.
  var isPythonSpace: Bool { (0x1C...0x1F).contains(value) || properties.isWhitespace }
}
