import Foundations

/// A token that is matched in the text before the model splits it, an entry of `tokenizer.json` or
/// `tokenizer_config.json`.
struct AddedToken: Sendable, Equatable {
  let content: [Unicode.Scalar]
  /// Whether it absorbs the white space before it (`lstrip`).
  var stripsLeft = false
  /// Whether it absorbs the white space after it (`rstrip`).
  var stripsRight = false
  /// Whether it matches only where no letter, digit or mark adjoins it.
  var isSingleWord = false
  /// Whether it is matched in normalized text.
  var isNormalized = false
  /// Whether it is a special token, such as the end of a prompt.
  var isSpecial = true

  /// A special token with default flags.
  init(_ content: String) { self.content = Array(content.unicodeScalars) }

  /// Reads a string, or an object with flags.
  ///
  /// - Parameter isSpecial: the default of the flag `special`.
  init(_ field: JSONField, isSpecial: Bool = false) throws(TokenizerError) {
    if case .string = field.value {
      content = try field.text()
      return
    }
    try field.allowOnly([
      "content", "lstrip", "rstrip", "single_word", "normalized", "special", "id", "__type",
    ])
    content = try field["content"].text()
    stripsLeft = try field["lstrip"].flag(or: false)
    stripsRight = try field["rstrip"].flag(or: false)
    isSingleWord = try field["single_word"].flag(or: false)
    self.isSpecial = try field["special"].flag(or: isSpecial)
    isNormalized = try field["normalized"].flag(or: !self.isSpecial)
  }

  var name: String { String(content) }
}

/// Added tokens with their ids, and the search for them in a text.
struct AddedTokens: Sendable {
  private var entries: [(token: AddedToken, id: Int)] = []
  private var trie = ScalarTrie()

  /// Adds a token that is matched as `text`: its content, normalized if the searched text is. A
  /// later token with the same text overrides an earlier one.
  mutating func insert(_ token: AddedToken, as text: [Unicode.Scalar], id: Int) {
    guard !text.isEmpty else { return }
    trie.insert(text, entries.count)
    entries.append((token, id))
  }

  enum Part {
    case token(Int)
    case text(Range<Int>)
  }

  /// Splits `text` at the tokens: the leftmost match first, and at one position the longest.
  func parts(of text: [Unicode.Scalar]) -> [Part] {
    var parts: [Part] = []
    // The start of the text that is not yet in a part.
    var start = 0
    var position = 0
    while position < text.count {
      guard let match = trie.longestPrefix(of: text[position...]) else {
        position += 1
        continue
      }
      let (token, id) = entries[match.value]
      let found = position..<match.end
      position = match.end
      if token.isSingleWord, adjoinsWord(found, text) { continue }
      let before = text[..<found.lowerBound]
      let begin = max(start, token.stripsLeft ? endOfWords(before) : found.lowerBound)
      if start < begin { parts.append(.text(start..<begin)) }
      parts.append(.token(id))
      start = found.upperBound
      if token.stripsRight {
        start += text[start...].prefix { $0.properties.isWhitespace }.count
      }
    }
    if start < text.count { parts.append(.text(start..<text.count)) }
    return parts
  }

  /// The start of the trailing white space of `text`.
  private func endOfWords(_ text: ArraySlice<Unicode.Scalar>) -> Int {
    text.lastIndex { !$0.properties.isWhitespace }.map { $0 + 1 } ?? text.startIndex
  }

  private func adjoinsWord(_ range: Range<Int>, _ text: [Unicode.Scalar]) -> Bool {
    (range.lowerBound > 0 && isWord(text[range.lowerBound - 1]))
      || (range.upperBound < text.count && isWord(text[range.upperBound]))
  }

  /// Unicode's definition of `\w` (UTS #18, annex C).
  private func isWord(_ scalar: Unicode.Scalar) -> Bool {
    let properties = scalar.properties
    if properties.isAlphabetic || properties.isJoinControl { return true }
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation:
      return true
    default: return false
    }
  }
}
