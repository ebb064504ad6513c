/// HTML character references, decoded as in Python's `html.unescape` and ftfy 6.3.1.
enum HTMLEntities {
  /// Decodes every reference of HTML 5, with and without its semicolon: `html.unescape`.
  static func unescaped(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    replacing(in: text) { start in
      numericReference(in: text, at: start) ?? namedReference(in: text, at: start)
    }
  }

  /// Decodes references that end in a semicolon, including names in capitals:
  /// `ftfy.fixes.unescape_html`.
  static func unescapedStrictly(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    replacing(in: text) { start in
      var end = start + 1
      if end < text.count, text[end] == "#" { end += 1 }
      let name = text[end...].prefix { $0.isASCIILetter || $0.isASCIIDigit }
      end = name.endIndex
      guard (1...24).contains(name.count), end < text.count, text[end] == ";" else { return nil }
      let whole = Array(text[start...end])
      return (strictly(whole) ?? whole, end + 1)
    }
  }

  /// Replaces references: `read` returns the replacement and the end of a reference at an `&`.
  private static func replacing(
    in text: [Unicode.Scalar], _ read: (Int) -> (text: [Unicode.Scalar], end: Int)?
  ) -> [Unicode.Scalar] {
    guard text.contains("&") else { return text }
    var result: [Unicode.Scalar] = []
    var position = 0
    while position < text.count {
      if text[position] == "&", let found = read(position) {
        result += found.text
        position = found.end
      } else {
        result.append(text[position])
        position += 1
      }
    }
    return result
  }

  /// The characters of a whole reference from `&` to `;`.
  private static func strictly(_ reference: [Unicode.Scalar]) -> [Unicode.Scalar]? {
    let name = reference.dropFirst()
    if let index = names.value(of: name) { return characters[index] }
    if name.first == "#" {
      let found = unescaped(reference)
      return found.contains(";") ? nil : found
    }
    let isCapital = !name.contains { ("a"..."z").contains($0) }
    let small = name.flatMap(\.properties.lowercaseMapping.unicodeScalars)
    guard isCapital, names.longestPrefix(of: name) == nil, let index = names.value(of: small)
    else { return nil }
    return characters[index].flatMap(\.properties.uppercaseMapping.unicodeScalars)
  }

  // MARK: - Numbers

  private static func numericReference(
    in text: [Unicode.Scalar], at start: Int
  ) -> (text: [Unicode.Scalar], end: Int)? {
    guard text[start...].starts(with: ["&", "#"]) else { return nil }
    let rest = text[(start + 2)...]
    let isHexadecimal = rest.first == "x" || rest.first == "X"
    let digits = rest.dropFirst(isHexadecimal ? 1 : 0)
      .prefix { $0.isASCIIDigit || isHexadecimal && $0.isHexadecimalLetter }
    guard !digits.isEmpty else { return nil }
    let isClosed = digits.endIndex < text.count && text[digits.endIndex] == ";"
    // A number above 32 bits is out of range for a scalar.
    let number = UInt32(String(digits), radix: isHexadecimal ? 16 : 10) ?? .max
    return (character(number), digits.endIndex + (isClosed ? 1 : 0))
  }

  /// The character of a number in HTML 5; empty for control characters and noncharacters.
  private static func character(_ number: UInt32) -> [Unicode.Scalar] {
    guard number != 0, let scalar = Unicode.Scalar(number) else { return ["\u{FFFD}"] }
    switch number {
    case 0x0D: return ["\r"]
    case 0x80...0x9F: return [MojibakeRepair.withoutC1(scalar)]
    case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0xFDD0...0xFDEF: return []
    default: return number & 0xFFFE == 0xFFFE ? [] : [scalar]
    }
  }

  // MARK: - Names

  private static func namedReference(
    in text: [Unicode.Scalar], at start: Int
  ) -> (text: [Unicode.Scalar], end: Int)? {
    let name = text[(start + 1)...].prefix(32).prefix { !ends.contains($0) }
    guard !name.isEmpty else { return nil }
    let isClosed = name.endIndex < text.count && text[name.endIndex] == ";"
    let end = name.endIndex + (isClosed ? 1 : 0)
    guard let found = names.longestPrefix(of: text[name.startIndex..<end]) else {
      return (Array(text[start..<end]), end)
    }
    return (characters[found.value] + text[found.end..<end], end)
  }

  /// The characters that end a name.
  private static let ends: Set<Unicode.Scalar> = ["\t", "\n", "\u{C}", " ", "<", "&", "#", ";"]

  private static let entries: [(name: Substring, isLenient: Bool, text: [Unicode.Scalar])] =
    [(HTMLEntityTable.strict, false), (HTMLEntityTable.lenient, true)].flatMap { table, isLenient in
      table.split(whereSeparator: \.isWhitespace).map { entry in
        let parts = entry.split(separator: "=")
        let scalars = parts[1].split(separator: "+").compactMap {
          UInt32($0, radix: 16).flatMap(Unicode.Scalar.init)
        }
        return (parts[0], isLenient, scalars)
      }
    }

  /// The names of references, with the index of their text in `characters`.
  private static let names: ScalarTrie = {
    var trie = ScalarTrie()
    for (index, entry) in entries.enumerated() {
      trie.insert(entry.name.unicodeScalars + [";"], index)
      if entry.isLenient { trie.insert(entry.name.unicodeScalars, index) }
    }
    return trie
  }()

  private static let characters = entries.map(\.text)
}

extension Unicode.Scalar {
  fileprivate var isASCIIDigit: Bool { ("0"..."9").contains(self) }

  fileprivate var isASCIILetter: Bool {
    ("a"..."z").contains(self) || ("A"..."Z").contains(self)
  }

  fileprivate var isHexadecimalLetter: Bool {
    ("a"..."f").contains(self) || ("A"..."F").contains(self)
  }
}
