/// Text cleaning and pre-tokenization of open_clip's `SimpleTokenizer`, which the package `hpsv2`
/// copies.
///
/// Letters and their lower case depend on the Unicode version: Swift 6.3 has 17, Python's
/// `str.lower` and the package `regex` have those of their releases.
package enum OpenCLIPTextCleaning {
  /// The repaired text in lower case, with character references decoded, each run of white space as
  /// one space, and none at the ends.
  package static func cleaned(_ text: String) -> [Unicode.Scalar] {
    let repaired = TextRepair.repaired(Array(text.unicodeScalars))
    let plain = HTMLEntities.unescaped(HTMLEntities.unescaped(repaired))
    let words = plain.split(whereSeparator: \.properties.isWhitespace)
    return lowercased(Array(words.joined(separator: [" "])))
  }

  /// A word of cleaned text.
  enum Word: Equatable {
    /// `<start_of_text>` or `<end_of_text>` in the user's text.
    case start, end
    /// A word for the vocabulary, as UTF-8.
    case text([UInt8])
  }

  /// The words of cleaned text, split as in CLIP with two differences of the case-insensitive
  /// pattern: "ſ" equals "s" in a contraction or a special token, and a lone iota subscript, which
  /// is neither letter nor symbol, is dropped.
  static func words(_ text: [Unicode.Scalar]) -> [Word] {
    text.split(separator: "\u{345}").flatMap { part in
      CLIPTextCleaning.pieces(Array(part)) { rest in
        literals.first { literal in
          rest.count >= literal.count
            && zip(rest, literal).allSatisfy { $0 == $1 || $0 == "\u{17F}" && $1 == "s" }
        }?.count
      }
    }.map { piece in
      if piece.elementsEqual(literals[0]) { return .start }
      if piece.elementsEqual(literals[1]) { return .end }
      return .text(Array(String(piece).utf8))
    }
  }

  private static let literals = [
    "<start_of_text>", "<end_of_text>", "'s", "'t", "'re", "'ve", "'m", "'ll", "'d",
  ].map { Array($0.unicodeScalars) }

  /// Python's `str.lower`: a sigma at the end of a word becomes a final sigma.
  private static func lowercased(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    text.indices.flatMap { index -> [Unicode.Scalar] in
      guard text[index] == "\u{3A3}" else {
        return Array(text[index].properties.lowercaseMapping.unicodeScalars)
      }
      let before = text[..<index].last { !$0.properties.isCaseIgnorable }
      let after = text[(index + 1)...].first { !$0.properties.isCaseIgnorable }
      let isFinal = before?.properties.isCased == true && after?.properties.isCased != true
      return [isFinal ? "\u{3C2}" : "\u{3C3}"]
    }
  }
}
