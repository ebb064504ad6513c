/// The room that text takes in a picture, counted in letters.
package enum Lettering {
  /// Letters of a text; one of Chinese, Japanese or Korean is as wide as two.
  static func width(_ text: some StringProtocol) -> Int {
    text.reduce(0) { $0 + width($1) }
  }

  private static func width(_ letter: Character) -> Int {
    switch letter.unicodeScalars.first?.value ?? 0 {
    case 0x1100...0x115F, 0x2E80...: 2
    default: 1
    }
  }

  /// The beginning of a text with an ellipsis where it is wider than `most` letters.
  package static func shortened(_ text: String, to most: Int) -> String {
    width(text) <= most ? text : pieces(of: text[...], most - 1)[0] + "…"
  }

  /// A text in lines of at most `most` letters, broken at spaces and within longer words; the last
  /// of `lines` ends in an ellipsis where there is more.
  package static func wrapped(_ text: String, _ most: Int, lines: Int) -> [String] {
    var all: [String] = []
    for word in text.split(separator: " ") {
      if let last = all.last, width(last) + 1 + width(word) <= most {
        all[all.count - 1] = "\(last) \(word)"
      } else {
        all += pieces(of: word, most)
      }
    }
    guard all.count > lines else { return all }
    return all.prefix(lines - 1) + [shortened(all[lines - 1] + " …", to: most)]
  }

  /// A text cut into pieces of at most `most` letters.
  private static func pieces(of text: Substring, _ most: Int) -> [String] {
    var pieces = [""]
    for letter in text {
      if width(pieces[pieces.count - 1]) + width(letter) > most { pieces.append("") }
      pieces[pieces.count - 1].append(letter)
    }
    return pieces
  }
}
