/// Repairs UTF-8 text that was decoded with another encoding: `ftfy.fix_encoding` 6.3.1.
enum MojibakeRepair {
  /// Repeats the repair until the text no longer changes.
  static func repaired(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var text = text
    while true {
      let next = repairedOnce(text)
      if next == text { return text }
      text = next
    }
  }

  private static func repairedOnce(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    guard text.contains(where: { !$0.isASCII }), MojibakeHeuristic.isLikely(text) else {
      return text
    }
    let latin1 = CodePage.latin1.bytes(of: text)
    if let latin1, let found = decoded(MojibakeBytes.restoringSpaces(latin1)) { return found }
    for (page, restoresSpaces) in CodePage.others {
      guard var bytes = page.bytes(of: text) else { continue }
      if restoresSpaces { bytes = MojibakeBytes.restoringSpaces(bytes) }
      if page.marksLoss { bytes = MojibakeBytes.replacingLost(bytes) }
      if let found = decoded(bytes) { return found }
    }
    let parts = repairedParts(text)
    if parts != text { return parts }
    // Windows-1252 that was decoded as Latin-1.
    if let latin1, let found = CodePage.windows1252.text(of: latin1), found != text {
      return found
    }
    return text.map(withoutC1)
  }

  private static func decoded(_ bytes: [UInt8]) -> [Unicode.Scalar]? {
    UTF8Variants.text(of: bytes)
  }

  /// A control character U+0080 to U+009F as the character of its number in Windows-1252.
  static func withoutC1(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    guard (0x80...0x9F).contains(scalar.value) else { return scalar }
    return CodePage.lenientWindows1252.scalars(UInt8(scalar.value)...UInt8(scalar.value))[0]
  }

  // MARK: - Parts of a text

  /// Repairs each run of misread characters separately, for texts of mixed encodings.
  private static func repairedParts(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    var position = 0
    while position < text.count {
      let end = endOfRun(in: text, from: position)
      if end == position {
        result.append(text[position])
        position += 1
      } else {
        let run = Array(text[position..<end])
        let isPart = run.count < text.count && MojibakeHeuristic.isLikely(run)
        result += isPart ? repaired(run) : run
        position = end
      }
    }
    return result
  }

  /// The end of the run of misread characters at `start`; `start` if there is none.
  private static func endOfRun(in text: [Unicode.Scalar], from start: Int) -> Int {
    if start > 0, strictTrails.contains(text[start - 1]) { return start }
    var end = start
    while end < text.count, let length = leads[text[end]], end + length <= text.count,
      text[end + 1..<end + length].allSatisfy(trails.contains)
    {
      end += length
    }
    return end
  }

  /// The first characters of misread sequences, with the lengths of the sequences.
  private static let leads: [Unicode.Scalar: Int] = {
    var leads: [Unicode.Scalar: Int] = [:]
    for page in CodePage.latinLike {
      for scalar in page.scalars(0xC2...0xDF) { leads[scalar] = 2 }
      for scalar in page.scalars(0xE0...0xEF) { leads[scalar] = 3 }
      for scalar in page.scalars(0xF0...0xF0) + page.scalars(0xF3...0xF3) { leads[scalar] = 4 }
    }
    return leads
  }()

  /// The other characters of misread sequences, and the space, which 0xA0 may have become.
  private static let trails = Set(CodePage.latinLike.flatMap { $0.scalars(0x80...0xBF) } + [" "])

  /// The `trails` that rarely occur next to misread characters on their own.
  private static let strictTrails = trails.subtracting(" –—―‘’‚“”„•…".unicodeScalars)
}
