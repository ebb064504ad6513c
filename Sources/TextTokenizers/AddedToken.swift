/// A token that is recognised in the text before the model cuts it, as `tokenizer.json` and
/// `tokenizer_config.json` describe it.
struct AddedToken: Sendable, Equatable {
  let content: [Unicode.Scalar]
  /// Whether it takes the white space before it.
  var stripsLeft = false
  /// Whether it takes the white space after it.
  var stripsRight = false
  /// Whether it is recognised only where no letter, digit or mark adjoins it.
  var isSingleWord = false
  /// Whether it is looked for in normalised text.
  var isNormalised = false
  /// Whether it has a task of its own, such as to end a prompt.
  var isSpecial = true

  /// A special token with no more known than its text.
  init(_ content: String) { self.content = Array(content.unicodeScalars) }

  /// Reads text, or an object with flags.
  ///
  /// - Parameter isSpecial: what counts where an object says neither.
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
    isNormalised = try field["normalized"].flag(or: !self.isSpecial)
  }

  var name: String { String(content) }
}

/// Added tokens and their ids, and where a text holds them.
struct AddedTokens: Sendable {
  private var entries: [(token: AddedToken, id: Int)] = []
  private var trie = ScalarTrie()

  /// Adds a token to be looked for as `text`: its content, normalised if the searched text is. Of
  /// two with one text the later counts.
  mutating func insert(_ token: AddedToken, as text: [Unicode.Scalar], id: Int) {
    guard !text.isEmpty else { return }
    trie.insert(text, entries.count)
    entries.append((token, id))
  }

  enum Part {
    case token(Int)
    case text(Range<Int>)
  }

  /// Cuts `text` at the tokens: the first from the left, the longest of those that begin there.
  func parts(of text: [Unicode.Scalar]) -> [Part] {
    var parts: [Part] = []
    // Where the text begins that no part holds yet.
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

  /// Where the white space begins that ends `text`.
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
