import Foundation
internal import Foundations

/// The text that a prompt quotes, and its similarity to the text that was read.
package struct QuotedText: Sendable, Equatable {
  /// Lower case, without white space.
  package let letters: [Character]

  /// The text in the first pair of double quotes; nil without such a pair, or with white space
  /// alone in it.
  package init?(in prompt: String) {
    let pieces = prompt.split(separator: "\"", maxSplits: 2, omittingEmptySubsequences: false)
    guard pieces.count == 3 else { return nil }
    letters = Self.letters(pieces[1])
    if letters.isEmpty { return nil }
  }

  /// 1 when the text that was read contains the quoted text, else 1 - min(d, n) / n, where d is the
  /// Levenshtein distance between the two and n the length of the quoted text.
  package func score(_ read: String) -> Double {
    let read = Self.letters(read)
    if read.firstRange(of: letters) != nil { return 1 }
    let distance = min(editDistance(read, letters), letters.count)
    return 1 - Double(distance) / Double(letters.count)
  }

  private static func letters(_ text: some StringProtocol) -> [Character] {
    text.lowercased().filter { !$0.isWhitespace }
  }
}
