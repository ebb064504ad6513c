/// A part of a prompt between special tokens.
struct TextPiece {
  var text: [Unicode.Scalar]
  /// Whether the prompt begins with it.
  var beginsPrompt: Bool
}

/// Splits normalized text into the pieces that the model encodes one by one (the member
/// `pre_tokenizer` of `tokenizer.json`).
indirect enum PreTokenizer: Sendable {
  /// Splits at white space, which is dropped.
  case whitespaceSplit
  case metaspace(Metaspace)
  case sequence([PreTokenizer])

  /// Reads a pre-tokenizer; `null` is an empty sequence.
  init(_ field: JSONField) throws(TokenizerError) {
    guard !field.isNull else {
      self = .sequence([])
      return
    }
    switch try field["type"].string() {
    case "WhitespaceSplit":
      try field.allowOnly(["type"])
      self = .whitespaceSplit
    case "Metaspace": self = .metaspace(try Metaspace(field))
    case "Sequence":
      try field.allowOnly(["type", "pretokenizers"])
      var parts: [PreTokenizer] = []
      for part in try field["pretokenizers"].elements() { parts.append(try PreTokenizer(part)) }
      self = .sequence(parts)
    case let type:
      throw field["type"].unsupported(
        "'\(type)' is not supported; supported are Metaspace, Sequence and WhitespaceSplit")
    }
  }

  func callAsFunction(_ piece: TextPiece) -> [TextPiece] {
    switch self {
    case .whitespaceSplit:
      return piece.text.split { $0.properties.isWhitespace }.map {
        TextPiece(text: Array($0), beginsPrompt: piece.beginsPrompt && $0.startIndex == 0)
      }
    case .metaspace(let metaspace): return metaspace(piece)
    case .sequence(let parts):
      return parts.reduce([piece]) { pieces, part in pieces.flatMap { part($0) } }
    }
  }
}

/// Replaces spaces by a visible character and begins every piece with one.
struct Metaspace: Sendable {
  /// Which pieces without a leading space get one.
  enum Prefix: String, Sendable {
    case always, first, never
  }

  /// The replacement of a space, usually U+2581.
  private let replacement: Unicode.Scalar
  private let prefix: Prefix
  /// Whether to split before each space.
  private let splits: Bool

  init(_ field: JSONField) throws(TokenizerError) {
    try field.allowOnly([
      "type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep",
    ])
    let replacement = try field["replacement"].text()
    guard replacement.count == 1 else { throw field["replacement"].wrong("one scalar") }
    self.replacement = replacement[0]
    splits = try field["split"].flag(or: true)
    // Files from before 2024 have only `add_prefix_space`.
    let addsPrefix = try field["add_prefix_space"].flag(or: true)
    let scheme = field["prepend_scheme"]
    guard !scheme.isNull else {
      self.prefix = addsPrefix ? .always : .never
      return
    }
    guard let prefix = Prefix(rawValue: try scheme.string()) else {
      throw scheme.unsupported("is none of always, first and never")
    }
    guard addsPrefix || prefix == .never else {
      throw scheme.unsupported("'\(prefix)' contradicts 'add_prefix_space'")
    }
    self.prefix = prefix
  }

  func callAsFunction(_ piece: TextPiece) -> [TextPiece] {
    guard !piece.text.isEmpty else { return [] }
    var text = piece.text.map { $0 == " " ? replacement : $0 }
    if text.first != replacement, prefix == .always || prefix == .first && piece.beginsPrompt {
      text.insert(replacement, at: 0)
    }
    guard splits else { return [TextPiece(text: text, beginsPrompt: piece.beginsPrompt)] }
    var pieces: [TextPiece] = []
    var start = 0
    for index in text.indices.dropFirst() + [text.count]
    where index == text.count || text[index] == replacement {
      pieces.append(
        TextPiece(
          text: Array(text[start..<index]), beginsPrompt: piece.beginsPrompt && start == 0))
      start = index
    }
    return pieces
  }
}
