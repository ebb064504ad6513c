import Foundation

/// A command in a code block of a page.
struct DocumentedCommand: Hashable, CustomStringConvertible {
  /// The line, with continuation lines joined and without its comment.
  let text: String

  /// The words of the first command of the line; quotes removed.
  var words: [String] {
    var words: [String] = []
    var word = ""
    var isInWord = false
    var quote: Character?
    for letter in text {
      switch (quote, letter) {
      case (nil, "'"), (nil, "\""): (quote, isInWord) = (letter, true)
      case (.some(let open), letter) where open == letter: quote = nil
      case (nil, " "), (nil, "\n"):
        if isInWord { words.append(word) }
        (word, isInWord) = ("", false)
      case (nil, "&"), (nil, "|"), (nil, ";"):
        return isInWord ? words + [word] : words
      default:
        word.append(letter)
        isInWord = true
      }
    }
    return isInWord ? words + [word] : words
  }

  /// The first word that is no assignment of a variable.
  var program: String {
    words.first { !$0.contains("=") || $0.hasPrefix("-") }?
      .trimmingCharacters(in: CharacterSet(charactersIn: "(")) ?? ""
  }

  var description: String { text }

  /// Programs whose lines in code blocks are commands.
  private static let programs = [
    "tempflow", "make", "swift", "hf", "git", "bash", "python", "python3", "(cd",
  ]

  /// Every command in the code blocks of a page, in order.
  static func all(in page: Page) -> [DocumentedCommand] {
    var commands: [DocumentedCommand] = []
    var text: String?
    var isFenced = false
    for line in page.lines {
      if line.hasPrefix("```") {
        isFenced = line == "```sh"
        continue
      }
      if let begun = text {
        text = join(begun, line.trimmingCharacters(in: .whitespaces))
      } else {
        guard line.hasPrefix("    ") || isFenced else { continue }
        let start = line.trimmingCharacters(in: .whitespaces)
        let first = start.split(separator: " ").first.map(String.init) ?? ""
        let isScript = ["Tools/", "Benchmarks/", "Tests/", ".bench/"].contains(
          where: first.hasPrefix)
        guard programs.contains(first) || isScript || first.hasPrefix("LIBTORCH=") else { continue }
        text = start
      }
      guard let whole = text, !whole.hasSuffix("\\"), isClosed(whole) else { continue }
      commands.append(DocumentedCommand(text: withoutComment(whole)))
      text = nil
    }
    return commands
  }

  private static func join(_ begun: String, _ line: String) -> String {
    begun.hasSuffix("\\") ? begun.dropLast() + line : begun + " " + line
  }

  /// Whether every quote of a line is closed.
  private static func isClosed(_ text: String) -> Bool {
    var quote: Character?
    for letter in text {
      if quote == letter {
        quote = nil
      } else if quote == nil, letter == "'" || letter == "\"" {
        quote = letter
      }
    }
    return quote == nil
  }

  private static func withoutComment(_ text: String) -> String {
    text.replacing(/\s+#\s.*$/, with: "").trimmingCharacters(in: .whitespaces)
  }
}
