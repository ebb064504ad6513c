/// The pre-tokenizer of Qwen's tokenizers: the alternatives of one regular expression, tried in
/// order at each position. Every scalar belongs to a word.
enum QwenPreTokenizer {
  /// The words of composed (NFC) text, in order. Linear in the length of `text`.
  static func split(_ text: ArraySlice<Unicode.Scalar>) -> [ArraySlice<Unicode.Scalar>] {
    var words: [ArraySlice<Unicode.Scalar>] = []
    var position = text.startIndex
    while position < text.endIndex {
      let end = endOfWord(text[position...])
      words.append(text[position..<end])
      position = end
    }
    return words
  }

  private static func endOfWord(_ rest: ArraySlice<Unicode.Scalar>) -> Int {
    contraction(rest) ?? letters(rest) ?? number(rest) ?? symbols(rest) ?? space(rest)
  }

  /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)`
  private static func contraction(_ rest: ArraySlice<Unicode.Scalar>) -> Int? {
    guard rest.first == "'" else { return nil }
    let folded = rest.dropFirst().prefix(2).map { $0.value < 128 ? lowercased($0) : $0 }
    // In a case-insensitive comparison the long s equals s.
    if let first = folded.first, ["s", "t", "m", "d", "\u{17F}"].contains(first) {
      return rest.startIndex + 2
    }
    return ["re", "ve", "ll"].contains(String(folded)) ? rest.startIndex + 3 : nil
  }

  private static func lowercased(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    scalar.properties.lowercaseMapping.unicodeScalars.first ?? scalar
  }

  /// `[^\r\n\p{L}\p{N}]?\p{L}+`
  private static func letters(_ rest: ArraySlice<Unicode.Scalar>) -> Int? {
    guard let first = rest.first else { return nil }
    let prefix = first.isLetter || first.isNumber || isLineEnd(first) ? 0 : 1
    let run = rest.dropFirst(prefix).prefix { $0.isLetter }
    return run.isEmpty ? nil : run.endIndex
  }

  /// `\p{N}`
  private static func number(_ rest: ArraySlice<Unicode.Scalar>) -> Int? {
    rest.first?.isNumber == true ? rest.startIndex + 1 : nil
  }

  /// ` ?[^\s\p{L}\p{N}]+[\r\n]*`
  private static func symbols(_ rest: ArraySlice<Unicode.Scalar>) -> Int? {
    let run = rest.dropFirst(rest.first == " " ? 1 : 0).prefix(while: isSymbol)
    return run.isEmpty ? nil : rest[run.endIndex...].prefix(while: isLineEnd).endIndex
  }

  /// `\s*[\r\n]+|\s+(?!\S)|\s+`: white space up to its last line end, else white space before a
  /// word except its last scalar.
  private static func space(_ rest: ArraySlice<Unicode.Scalar>) -> Int {
    let run = rest.prefix { $0.properties.isWhitespace }
    if let line = run.lastIndex(where: isLineEnd) { return line + 1 }
    return run.endIndex == rest.endIndex || run.count == 1 ? run.endIndex : run.endIndex - 1
  }

  private static func isLineEnd(_ scalar: Unicode.Scalar) -> Bool {
    scalar == "\r" || scalar == "\n"
  }

  private static func isSymbol(_ scalar: Unicode.Scalar) -> Bool {
    !scalar.properties.isWhitespace && !scalar.isLetter && !scalar.isNumber
  }
}
