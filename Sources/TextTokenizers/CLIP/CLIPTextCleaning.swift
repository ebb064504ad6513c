/// Normalization and pre-tokenization of transformers' `CLIPTokenizer`.
///
/// The set of letters depends on the Unicode version: Swift 6.3 has 17, the `tokenizers` library
/// 16, so words with letters that are new in 17 have other ids.
enum CLIPTextCleaning {
  /// The text in NFC, with each run of white space as one space, in lower case scalar by scalar.
  static func normalized(_ text: some StringProtocol) -> String.UnicodeScalarView {
    var result = String.UnicodeScalarView()
    var endsInSpace = false
    for scalar in String(text).composedScalars {
      if scalar.properties.isWhitespace {
        if !endsInSpace { result.append(" ") }
        endsInSpace = true
      } else {
        result.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
        endsInSpace = false
      }
    }
    return result
  }

  /// The words of normalized text as UTF-8: contractions, runs of letters, single digits, and runs
  /// of anything else; white space separates and is dropped.
  static func words(_ text: String.UnicodeScalarView) -> [[UInt8]] {
    pieces(Array(text)) { rest in
      literals.first { rest.starts(with: $0.whole) }?.whole.count
    }.flatMap { piece in
      let literal = literals.first { piece.elementsEqual($0.whole) }
      return (literal?.parts ?? [Array(piece)]).map { Array(String($0).utf8) }
    }
  }

  /// Splits text into literals, runs of letters, single digits, and runs of anything else; white
  /// space separates and is dropped.
  ///
  /// - Parameters:
  ///   - scalars: the text.
  ///   - literal: the length of the literal at the beginning of a text, matched first.
  static func pieces(
    _ scalars: [Unicode.Scalar], literal: (ArraySlice<Unicode.Scalar>) -> Int?
  ) -> [ArraySlice<Unicode.Scalar>] {
    var pieces: [ArraySlice<Unicode.Scalar>] = []
    var position = 0
    while position < scalars.count {
      if let length = literal(scalars[position...]) {
        pieces.append(scalars[position..<position + length])
        position += length
        continue
      }
      let kind = Kind(scalars[position])
      var end = position + 1
      if kind != .number {
        while end < scalars.count, Kind(scalars[end]) == kind { end += 1 }
      }
      if kind != .space { pieces.append(scalars[position..<end]) }
      position = end
    }
    return pieces
  }

  /// Matched first, in this order, and split into the parts. The two special tokens occur here only
  /// in another case; they end a run of symbols and are split.
  private static let literals: [(whole: [Unicode.Scalar], parts: [[Unicode.Scalar]])] =
    [
      ["<|", "startoftext", "|>"], ["<|", "endoftext", "|>"],
      ["'s"], ["'t"], ["'re"], ["'ve"], ["'m"], ["'ll"], ["'d"],
    ].map { parts in
      (Array(parts.joined().unicodeScalars), parts.map { Array($0.unicodeScalars) })
    }

  private enum Kind {
    case space, letter, number, other

    init(_ scalar: Unicode.Scalar) {
      if scalar.isLetter {
        self = .letter
      } else if scalar.isNumber {
        self = .number
      } else {
        self = scalar.properties.isWhitespace ? .space : .other
      }
    }
  }
}
