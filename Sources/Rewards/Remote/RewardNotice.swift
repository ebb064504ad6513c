import Foundation
internal import Foundations

/// Messages about a running reward.
enum RewardNotice {
  /// A writer of lines on standard error that start with the reward's label.
  ///
  /// On a terminal a line overwrites the progress line, which is drawn again at the next update.
  static func standardError(_ label: String) -> @Sendable (String) -> Void {
    let clear = isatty(STDERR_FILENO) == 1 ? "\r\u{1B}[K" : ""
    return { text in
      StandardStream.writeError("\(clear)reward \(label): \(text.oneLine(limit: 1000))\n")
    }
  }
}

extension String {
  /// The text on one line, without control characters, cut to a number of characters.
  func oneLine(limit: Int) -> String {
    let printable = unicodeScalars.map { scalar -> Character in
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator: " "
      default: Character(scalar)
      }
    }
    let words = String(printable).split(separator: " ").joined(separator: " ")
    return words.count > limit ? words.prefix(limit) + "…" : words
  }
}
