/// T5's tokenizer: normalization by a table, pre-tokenization, and a Unigram model, with the ids of
/// transformers' `T5TokenizerFast`.
///
/// Every setting of `tokenizer.json` is applied, as in the `tokenizers` library and transformers 4.
/// transformers 5 uses only its vocabulary and its table of replacements and has a pre-tokenizer of
/// its own; with files of transformers 4, the ids then differ only for prompts with the control
/// character U+0085.
public struct T5Tokenizer: Sendable {
  /// The id that ends a prompt.
  public let endID: Int
  /// The padding id.
  public let padID: Int
  /// The number of ids, added tokens included.
  public let vocabularyCount: Int

  let files: T5TokenizerFiles
  private let model: UnigramModel
  private let normalize: TextNormalizer
  private let preTokenize: PreTokenizer
  /// The ids before a prompt.
  private let prefix: [Int]
  /// The ids after a prompt.
  private let suffix: [Int]
  private let multiVector: [MultiVectorToken]
  private let rawTokens: AddedTokens
  private let normalizedTokens: AddedTokens

  /// Reads `tokenizer.json`, `tokenizer_config.json`, and `special_tokens_map.json` if present.
  public init(folder: String) throws(TokenizerError) {
    try self.init(try T5TokenizerFiles(folder: folder))
  }

  init(_ files: T5TokenizerFiles) throws(TokenizerError) {
    let configuration = try T5TokenizerConfiguration(files)
    let file = try files.content(T5TokenizerFiles.tokenizer)
    try file.allowOnly([
      "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
      "post_processor", "decoder", "model",
    ])
    try file.checkSides(besides: try files.content(T5TokenizerFiles.configuration))
    let model = try UnigramModel(file["model"])
    self.model = model
    normalize = try TextNormalizer(file["normalizer"])
    preTokenize = try PreTokenizer(file["pre_tokenizer"])
    let tokens = try Self.addedTokens(file, configuration, model)
    multiVector = MultiVectorToken.all(in: tokens)
    func id(_ name: String) throws(TokenizerError) -> Int {
      let text = Array(name.unicodeScalars)
      guard let id = model.id(of: text) ?? tokens.first(where: { $0.token.content == text })?.id
      else { throw .missingToken(path: file.path, token: name) }
      return id
    }
    endID = try id(configuration.end)
    padID = try id(configuration.pad)
    let template = try Self.template(file["post_processor"])
    prefix = template.prefix
    suffix = template.suffix
    var raw = AddedTokens()
    var normalized = AddedTokens()
    for (id, token) in tokens {
      if token.isNormalized {
        normalized.insert(token, as: normalize(token.content), id: id)
      } else {
        raw.insert(token, as: token.content, id: id)
      }
    }
    rawTokens = raw
    normalizedTokens = normalized
    vocabularyCount = max(model.count, (tokens.map(\.id).max() ?? 0) + 1)
    self.files = files
  }

  /// The ids of a prompt with its end, without truncation or padding.
  ///
  /// Linear in the length of `text`.
  public func encode(_ text: String) -> [Int] { prefix + content(text) + suffix }

  /// The ids of a prompt, truncated or padded to `length`, its end included.
  public func encodePadded(_ text: String, to length: Int) -> [Int] {
    let room = length - prefix.count - suffix.count
    precondition(room >= 0, "a prompt of \(length) ids has no room for its end")
    let ids = prefix + content(text).prefix(room) + suffix
    return ids + [Int](repeating: padID, count: length - ids.count)
  }

  /// The prompt with every vector of its tokens of textual inversion written out: `<cat> <cat>_1`
  /// for `<cat>`. Some pipelines of diffusers encode that in place of the prompt.
  public func writingOutVectors(of prompt: String) -> String {
    multiVector.writtenOut(prompt, encode: content)
  }

  private func content(_ text: String) -> [Int] {
    let prompt = TextPiece(text: Array(text.unicodeScalars), beginsPrompt: true)
    return parts(of: prompt, rawTokens).flatMap { part -> [Int] in
      guard case .text(var piece) = part else { return part.ids }
      piece.text = normalize(piece.text)
      return parts(of: piece, normalizedTokens).flatMap { part -> [Int] in
        guard case .text(let piece) = part else { return part.ids }
        return preTokenize(piece).flatMap { model.encode($0.text) }
      }
    }
  }

  private enum Part {
    case token(Int)
    case text(TextPiece)

    var ids: [Int] {
      guard case .token(let id) = self else { return [] }
      return [id]
    }
  }

  private func parts(of piece: TextPiece, _ tokens: AddedTokens) -> [Part] {
    tokens.parts(of: piece.text).map { part in
      switch part {
      case .token(let id): .token(id)
      case .text(let range):
        .text(
          TextPiece(
            text: Array(piece.text[range]),
            beginsPrompt: piece.beginsPrompt && range.lowerBound == 0))
      }
    }
  }

  /// The tokens of both files; the flags of `tokenizer_config.json` override the others.
  private static func addedTokens(
    _ file: JSONField, _ configuration: T5TokenizerConfiguration, _ model: UnigramModel
  ) throws(TokenizerError) -> [(id: Int, token: AddedToken)] {
    var tokens: [Int: AddedToken] = [:]
    if !file["added_tokens"].isNull {
      for entry in try file["added_tokens"].elements() {
        tokens[try entry["id"].integer()] = try AddedToken(entry)
      }
    }
    for (id, token) in configuration.addedTokens { tokens[id] = token }
    for (id, token) in tokens {
      guard id < 1 << 30 else {
        throw .malformed(
          path: file.path, reason: "the added token '\(token.name)' has the id \(id)")
      }
      guard model.id(of: token.content) ?? max(id, model.count) == id else {
        throw .malformed(
          path: file.path, reason: "the added token '\(token.name)' has another token's id, \(id)")
      }
    }
    for token in configuration.specialTokens {
      guard !tokens.values.contains(where: { $0.content == token.content }) else { continue }
      guard let id = model.id(of: token.content) else {
        throw .missingToken(path: file.path, token: token.name)
      }
      tokens[id] = token
    }
    return tokens.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// The ids that the post-processor puts before and after a prompt.
  private static func template(
    _ field: JSONField
  ) throws(TokenizerError) -> (prefix: [Int], suffix: [Int]) {
    guard !field.isNull else { throw field.unsupported("is missing: prompts would have no end") }
    let type = try field["type"].string()
    guard type == "TemplateProcessing" else {
      throw field["type"].unsupported("'\(type)' is not 'TemplateProcessing'")
    }
    try field.allowOnly(["type", "single", "pair", "special_tokens"])
    var sides: [[Int]] = [[]]
    for item in try field["single"].elements() {
      if !item["Sequence"].isNull {
        sides.append([])
      } else {
        let name = try item["SpecialToken"]["id"].string()
        for id in try field["special_tokens"][name]["ids"].elements() {
          sides[sides.count - 1].append(try id.integer())
        }
      }
    }
    guard sides.count == 2 else { throw field["single"].unsupported("needs exactly one prompt") }
    return (sides[0], sides[1])
  }
}
