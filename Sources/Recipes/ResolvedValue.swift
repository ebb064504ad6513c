internal import Foundations

/// A value of the resolved recipe.
enum ResolvedValue {
  /// A scalar, already as YAML text.
  case scalar(String)
  case list([ResolvedValue])
  /// A section, with the values read by the time of writing.
  case section(RecipeSection)

  /// The shortest text that reads back to the same number, with a point, so that every reader of
  /// YAML takes it for a floating-point number.
  static func text(of value: Double) -> String {
    let text = "\(value)"
    guard !text.contains("."), let exponent = text.firstIndex(of: "e") else { return text }
    return text[..<exponent] + ".0" + text[exponent...]
  }

  /// Plain where every reader of YAML takes it for text, in double quotes otherwise.
  static func text(of value: String) -> String {
    isPlain(value) ? value : quoted(value)
  }

  private static func isPlain(_ value: String) -> Bool {
    let reserved: Set<String> = [
      "true", "false", "null", "yes", "no", "on", "off", "y", "n",
    ]
    guard let first = value.utf8.first, !reserved.contains(value.lowercased()) else { return false }
    func isLetter(_ byte: UInt8) -> Bool {
      (byte | 0x20) >= UInt8(ascii: "a") && (byte | 0x20) <= UInt8(ascii: "z")
    }
    return (isLetter(first) || first == UInt8(ascii: "_") || first == UInt8(ascii: "/"))
      && value.utf8.allSatisfy { byte in
        isLetter(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
          || "_./-".utf8.contains(byte)
      }
  }

  private static func quoted(_ value: String) -> String {
    var text = "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\t": text += "\\t"
      case "\r": text += "\\r"
      case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}":
        text += "\\x" + scalar.value.digits(2, radix: 16, uppercase: true)
      case "\u{2028}", "\u{2029}", "\u{FEFF}", "\u{FFFE}", "\u{FFFF}":
        text += "\\u" + scalar.value.digits(4, radix: 16, uppercase: true)
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text + "\""
  }
}
