import Foundation

/// Replaces characters from typography, old encodings and terminals by plain ones, as in ftfy
/// 6.3.1.
enum CharacterFixes {
  /// The text with plain quotes, letters, widths and line breaks, and without control characters.
  static func fixed(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    withoutTerminalEscapes(withPlainLineBreaks(text.flatMap(plain))).filter { !isDropped($0) }
  }

  /// One scalar with ligatures, widths and curly quotes replaced.
  private static func plain(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
    if scalar.isASCII { return [scalar] }
    let scalar = MojibakeRepair.withoutC1(scalar)
    return (ligatures[scalar].map { Array($0.unicodeScalars) } ?? [scalar])
      .flatMap(withPlainWidth)
      .map(withoutCurl)
  }

  /// Ligatures and other single characters for several Latin letters.
  private static let ligatures: [Unicode.Scalar: String] = [
    "\u{132}": "IJ", "\u{133}": "ij", "\u{149}": "\u{2BC}n",
    "\u{1C4}": "D\u{17D}", "\u{1C5}": "D\u{17E}", "\u{1C6}": "d\u{17E}",
    "\u{1C7}": "LJ", "\u{1C8}": "Lj", "\u{1C9}": "lj",
    "\u{1CA}": "NJ", "\u{1CB}": "Nj", "\u{1CC}": "nj",
    "\u{1F1}": "DZ", "\u{1F2}": "Dz", "\u{1F3}": "dz",
    "\u{FB00}": "ff", "\u{FB01}": "fi", "\u{FB02}": "fl", "\u{FB03}": "ffi", "\u{FB04}": "ffl",
    "\u{FB05}": "\u{17F}t", "\u{FB06}": "st",
  ]

  /// Full-width and half-width forms in their usual width.
  private static func withPlainWidth(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
    switch scalar.value {
    case 0x3000: [" "]
    case 0xFF01..<0xFFF0:
      Array(String(scalar).precomposedStringWithCompatibilityMapping.unicodeScalars)
    default: [scalar]
    }
  }

  private static func withoutCurl(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    switch scalar.value {
    case 0x2BC, 0x2018...0x201B: "'"
    case 0x201C...0x201F: "\""
    default: scalar
    }
  }

  private static func withPlainLineBreaks(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    for (index, scalar) in text.enumerated() {
      switch scalar {
      case "\r":
        if index + 1 == text.count || text[index + 1] != "\n" { result.append("\n") }
      case "\u{2028}", "\u{2029}", "\u{85}": result.append("\n")
      default: result.append(scalar)
      }
    }
    return result
  }

  /// The text without ANSI escape sequences (escape, `[`, numbers and a letter).
  private static func withoutTerminalEscapes(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    guard text.contains("\u{1B}") else { return text }
    var result: [Unicode.Scalar] = []
    var position = 0
    while position < text.count {
      if text[position...].starts(with: ["\u{1B}", "["]) {
        let end = text[(position + 2)...]
          .drop { $0 == ";" || $0.properties.generalCategory == .decimalNumber }
        if let letter = end.first, letter.isASCII, letter.isLetter {
          position = end.startIndex + 1
          continue
        }
      }
      result.append(text[position])
      position += 1
    }
    return result
  }

  /// Control characters other than white space, byte order marks and annotation characters.
  private static func isDropped(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x00...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x206A...0x206F, 0xFEFF, 0xFFF9...0xFFFC: true
    default: false
    }
  }
}
