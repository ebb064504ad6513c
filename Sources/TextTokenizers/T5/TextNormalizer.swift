/// Normalizes text before it is split (the member `normalizer` of `tokenizer.json`).
indirect enum TextNormalizer: Sendable {
  case precompiled(PrecompiledCharsmap)
  /// Removes white space at the ends.
  case strip(left: Bool, right: Bool)
  case replace([Unicode.Scalar], with: [Unicode.Scalar])
  /// Replaces each run of two or more spaces.
  case replaceRepeatedSpaces(with: [Unicode.Scalar])
  case sequence([TextNormalizer])

  /// Reads a normalizer; `null` is an empty sequence.
  init(_ field: JSONField) throws(TokenizerError) {
    guard !field.isNull else {
      self = .sequence([])
      return
    }
    switch try field["type"].string() {
    case "Precompiled":
      try field.allowOnly(["type", "precompiled_charsmap"])
      self = .precompiled(try PrecompiledCharsmap(field["precompiled_charsmap"]))
    case "Strip":
      try field.allowOnly(["type", "strip_left", "strip_right"])
      self = .strip(
        left: try field["strip_left"].flag(or: true), right: try field["strip_right"].flag(or: true)
      )
    case "Replace":
      try field.allowOnly(["type", "pattern", "content"])
      self = try Self.replacement(field)
    case "Sequence":
      try field.allowOnly(["type", "normalizers"])
      var parts: [TextNormalizer] = []
      for part in try field["normalizers"].elements() { parts.append(try TextNormalizer(part)) }
      self = .sequence(parts)
    case let type:
      throw field["type"].unsupported(
        "'\(type)' is not supported; supported are Precompiled, Replace, Sequence and Strip")
    }
  }

  private static func replacement(_ field: JSONField) throws(TokenizerError) -> Self {
    let pattern = field["pattern"]
    let content = try field["content"].text()
    if !pattern["String"].isNull {
      let text = try pattern["String"].text()
      guard !text.isEmpty else { throw pattern["String"].unsupported("is empty") }
      return .replace(text, with: content)
    }
    let expression = try pattern["Regex"].string()
    guard expression == " {2,}", !content.contains("$") else {
      throw pattern["Regex"].unsupported("'\(expression)' is not supported; ' {2,}' is")
    }
    return .replaceRepeatedSpaces(with: content)
  }

  func callAsFunction(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    switch self {
    case .precompiled(let table): return table.normalized(text)
    case .strip(let left, let right):
      var rest = text[...]
      if left { rest = rest.drop { $0.properties.isWhitespace } }
      if right {
        while rest.last?.properties.isWhitespace == true { rest.removeLast() }
      }
      return Array(rest)
    case .replace(let pattern, let content):
      return replaced(text, with: content) { $0.starts(with: pattern) ? pattern.count : 0 }
    case .replaceRepeatedSpaces(let content):
      return replaced(text, with: content) { rest in
        let run = rest.prefix { $0 == " " }.count
        return run > 1 ? run : 0
      }
    case .sequence(let parts): return parts.reduce(text) { $1($0) }
    }
  }

  /// - Parameter match: the number of scalars to replace at the beginning; 0 for none.
  private func replaced(
    _ text: [Unicode.Scalar], with content: [Unicode.Scalar],
    match: (ArraySlice<Unicode.Scalar>) -> Int
  ) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    var position = 0
    while position < text.count {
      let count = match(text[position...])
      if count == 0 { result.append(text[position]) } else { result += content }
      position += max(count, 1)
    }
    return result
  }
}
