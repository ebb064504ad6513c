import Foundation

/// A Unigram model of the words of some texts: special tokens, every word, and single characters.
///
/// A character's score is lower than that of every word. So a word of the texts is one token, and
/// another word is its longest beginning that is a word or `▁`, then single characters.
struct TrainedUnigramVocabulary {
  /// The tokens with their scores, by id.
  private(set) var tokens: [(text: [Unicode.Scalar], score: Double)]

  /// Adds words and then characters, the most frequent first; of equally frequent ones, the one
  /// whose scalars sort first.
  ///
  /// A word's score is the logarithm of its share of all words. Scores are multiples of 1/256, so
  /// that their sums are exact in every implementation.
  ///
  /// - Parameters:
  ///   - special: the first tokens, with score 0.
  ///   - words: the words of the texts in their order, each with a `▁` before it.
  init(special: [String], words: some Sequence<[Unicode.Scalar]>) {
    var counts: [[Unicode.Scalar]: Int] = [:]
    for word in words { counts[word, default: 0] += 1 }
    var characters = Dictionary(uniqueKeysWithValues: Self.constantCharacters.map { ([$0], 0) })
    for (word, count) in counts {
      for scalar in word { characters[[scalar], default: 0] += count }
    }
    let total = Double(counts.values.reduce(0, +))
    counts[[Self.wordStart]] = nil
    tokens = special.map { (Array($0.unicodeScalars), 0) }
    var lowest = 0.0
    for (word, count) in Self.sorted(counts) {
      lowest = (log(Double(count) / total) * 256).rounded() / 256
      tokens.append((word, lowest))
    }
    tokens += Self.sorted(characters).map { ($0.text, lowest - 1) }
  }

  private static let wordStart: Unicode.Scalar = "\u{2581}"

  /// The characters of every vocabulary: the start of a word and printable ASCII.
  private static let constantCharacters =
    [wordStart] + (UInt8(ascii: "!")...UInt8(ascii: "~")).map { Unicode.Scalar($0) }

  private static func sorted(
    _ counts: [[Unicode.Scalar]: Int]
  ) -> [(text: [Unicode.Scalar], count: Int)] {
    counts.map { (text: $0.key, count: $0.value) }.sorted { first, second in
      guard first.count == second.count else { return first.count > second.count }
      return first.text.lexicographicallyPrecedes(second.text)
    }
  }
}
