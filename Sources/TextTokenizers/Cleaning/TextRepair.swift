/// Repairs text: `ftfy.fix_text` 6.3.1 with its defaults.
enum TextRepair {
  /// The most scalars of a line that are repaired at once.
  private static let longestSegment = 1_000_000

  /// Repairs line by line. From the first line with `<` on, the text counts as HTML, and character
  /// references are kept.
  static func repaired(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    var unescapes = true
    var start = 0
    while start < text.count {
      let line = text[start...].firstIndex(of: "\n").map { $0 + 1 } ?? text.count
      let end = min(line, start + longestSegment)
      let segment = Array(text[start..<end])
      if segment.contains("<") { unescapes = false }
      result += repaired(segment: segment, unescapes: unescapes)
      start = end
    }
    return result
  }

  /// Repeats every step until none changes anything.
  private static func repaired(
    segment: [Unicode.Scalar], unescapes: Bool
  ) -> [Unicode.Scalar] {
    var text = segment
    while true {
      var next = unescapes ? HTMLEntities.unescapedStrictly(text) : text
      next = CharacterFixes.fixed(MojibakeRepair.repaired(next))
      next = String(next).composedScalars
      if next == text { return text }
      text = next
    }
  }
}
