import Foundation

/// Normalization and pre-tokenization of BERT's uncased tokenizer (`BertNormalizer` and
/// `BertPreTokenizer` of the `tokenizers` library).
enum BERTTextCleaning {
  /// The words of a text: lower case and without accents, split at white space. Each punctuation
  /// mark and each Chinese character is a word of its own.
  static func words(_ text: some Sequence<Unicode.Scalar>) -> [[Unicode.Scalar]] {
    var words: [[Unicode.Scalar]] = []
    var word: [Unicode.Scalar] = []
    func finish() {
      if !word.isEmpty { words.append(word) }
      word = []
    }
    for scalar in normalized(text) {
      if scalar.properties.isWhitespace {
        finish()
      } else if isPunctuation(scalar) {
        finish()
        words.append([scalar])
      } else {
        word.append(scalar)
      }
    }
    finish()
    return words
  }

  private static func normalized(
    _ text: some Sequence<Unicode.Scalar>
  ) -> [Unicode.Scalar] {
    var cleaned = String.UnicodeScalarView()
    for scalar in text where !isDropped(scalar) {
      cleaned.append(contentsOf: isChinese(scalar) ? [" ", scalar, " "] : [scalar])
    }
    return String(cleaned).decomposedStringWithCanonicalMapping.unicodeScalars
      .filter { $0.properties.generalCategory != .nonspacingMark }
      .flatMap { Array($0.properties.lowercaseMapping.unicodeScalars) }
  }

  /// Control and format characters and the replacement character U+FFFD.
  private static func isDropped(_ scalar: Unicode.Scalar) -> Bool {
    if scalar == "\t" || scalar == "\n" || scalar == "\r" { return false }
    switch scalar.properties.generalCategory {
    case .control, .format, .privateUse: return true
    default: return scalar == "\u{FFFD}"
    }
  }

  /// BERT's blocks of CJK ideographs.
  private static func isChinese(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
      0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
      true
    default: false
    }
  }

  /// Every ASCII symbol and the punctuation categories of Unicode.
  private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 33...47, 58...64, 91...96, 123...126: return true
    default: break
    }
    switch scalar.properties.generalCategory {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
      .initialPunctuation, .finalPunctuation, .otherPunctuation:
      return true
    default: return false
    }
  }
}
