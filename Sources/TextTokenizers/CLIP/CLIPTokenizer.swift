import Foundation

/// CLIP's byte-level BPE tokenizer, with the ids of transformers' `CLIPTokenizer` or of open_clip's
/// `SimpleTokenizer`.
public struct CLIPTokenizer: Sendable {
  /// The Python class whose ids a tokenizer reproduces; they differ in text cleaning.
  public enum Reference: Sendable {
    /// `CLIPTokenizer` of transformers, with little cleaning.
    case transformers
    /// `SimpleTokenizer` of open_clip, which repairs text with ftfy and decodes HTML character
    /// references.
    case openCLIP
  }

  static let startOfText = "<|startoftext|>"
  static let endOfText = "<|endoftext|>"

  public let vocabulary: BytePairVocabulary
  /// The number of ids, added tokens included.
  public let vocabularyCount: Int
  /// Tokens per prompt, the start and the end included.
  public let modelMaxLength: Int
  /// The id that begins a prompt.
  public let startID: Int
  /// The id that ends a prompt.
  public let endID: Int
  /// The padding id.
  public let padID: Int

  private let reference: Reference
  /// The id of unknown bytes.
  let unknownID: Int
  /// The tokens that are matched first, special ones included.
  let addedTokens: [(id: Int, token: AddedToken)]
  private let multiVector: [MultiVectorToken]
  private let rawTokens: AddedTokens
  private let normalizedTokens: AddedTokens

  /// Reads `tokenizer_config.json`; `special_tokens_map.json`, `added_tokens.json` and
  /// `tokenizer.json` if present; and the vocabulary from `vocab.json` and `merges.txt` or, where
  /// there is no `vocab.json`, from `tokenizer.json`.
  ///
  /// - Parameter reference: the Python class whose ids are reproduced.
  public init(
    folder: String, like reference: Reference = .transformers
  ) throws(TokenizerError) {
    let configuration = try CLIPTokenizerConfiguration(folder: folder)
    let single = "\(folder)/tokenizer.json"
    let files =
      configuration.isSingleFile
      ? try BytePairVocabularyFiles(tokenizerPath: single, .clip)
      : try BytePairVocabularyFiles(
        vocabularyPath: "\(folder)/vocab.json", mergesPath: "\(folder)/merges.txt")
    try self.init(
      try BytePairVocabulary(files, .clip), configuration, like: reference, path: files.path)
  }

  /// A tokenizer of a trained vocabulary that pads prompts with the end-of-text token.
  ///
  /// - Parameter modelMaxLength: tokens per prompt, the start and the end included; at least 2.
  public init(vocabulary: BytePairVocabulary, modelMaxLength: Int) throws(TokenizerError) {
    precondition(modelMaxLength >= 2, "a prompt has at least a start and an end")
    var configuration = CLIPTokenizerConfiguration()
    configuration.modelMaxLength = modelMaxLength
    try self.init(vocabulary, configuration, like: .transformers, path: "vocabulary")
  }

  private init(
    _ vocabulary: BytePairVocabulary, _ configuration: CLIPTokenizerConfiguration,
    like reference: Reference, path: String
  ) throws(TokenizerError) {
    let tokens = try Self.addedTokens(configuration, vocabulary, path: path)
    func id(_ token: AddedToken) throws(TokenizerError) -> Int {
      guard let id = tokens.first(where: { $0.token.content == token.content })?.id else {
        throw .missingToken(path: path, token: token.name)
      }
      return id
    }
    self.vocabulary = vocabulary
    self.reference = reference
    addedTokens = tokens
    multiVector = MultiVectorToken.all(in: tokens)
    vocabularyCount = max(vocabulary.count, (tokens.map(\.id).max() ?? 0) + 1)
    modelMaxLength = configuration.modelMaxLength
    startID = try id(configuration.start)
    endID = try id(configuration.end)
    padID = try id(configuration.pad)
    unknownID = try id(configuration.unknown)
    var raw = AddedTokens()
    var normalized = AddedTokens()
    // Of tokens with equal normalized text, the `tokenizers` library picks one at random.
    for (id, token) in tokens {
      if token.isNormalized {
        let text = Array(CLIPTextCleaning.normalized(token.name))
        normalized.insert(token, as: text, id: id)
      } else {
        raw.insert(token, as: token.content, id: id)
      }
    }
    rawTokens = raw
    normalizedTokens = normalized
  }

  /// All added tokens with their ids. A token of the vocabulary keeps its id; other tokens get the
  /// next free ids in order, as in transformers.
  private static func addedTokens(
    _ configuration: CLIPTokenizerConfiguration, _ vocabulary: BytePairVocabulary, path: String
  ) throws(TokenizerError) -> [(id: Int, token: AddedToken)] {
    var tokens: [(id: Int, token: AddedToken)] = []
    var next = vocabulary.count
    func id(_ token: AddedToken) -> Int {
      if let id = vocabulary.id(token.name) { return id }
      next += 1
      return next - 1
    }
    func isNew(_ token: AddedToken) -> Bool {
      !tokens.contains { $0.token.content == token.content } && !token.content.isEmpty
    }
    for (listed, token) in configuration.listedTokens {
      // A token of the vocabulary keeps the vocabulary's id.
      let found = isNew(token) ? id(token) : nil
      guard let found, found == listed || found < vocabulary.count else {
        throw .malformed(
          path: path,
          reason:
            "the added token '\(token.name)' has id \(listed), which belongs to another token "
            + "or leaves a gap after the ids before it")
      }
      var token = token
      token.isSpecial =
        token.isSpecial || configuration.namedTokens.contains { $0.content == token.content }
      tokens.append((found, token))
    }
    for token in configuration.namedTokens where isNew(token) {
      guard let id = vocabulary.id(token.name) else {
        throw .missingToken(path: path, token: token.name)
      }
      tokens.append((id, token))
    }
    let unordered = configuration.unorderedTokens.filter(isNew)
    guard unordered.count < 2 else {
      throw .unsupported(
        path: path, key: "extra_special_tokens",
        reason:
          "has \(unordered.count) tokens whose ids are in no file; save the tokenizer with "
          + "transformers")
    }
    for token in unordered + configuration.extraTokens where isNew(token) {
      tokens.append((id(token), token))
    }
    return tokens
  }

  /// The ids of a prompt between start and end, without truncation or padding.
  public func encode(_ text: String) -> [Int] { [startID] + content(text) + [endID] }

  /// The ids of a prompt, truncated or padded to `length` (`modelMaxLength` if nil).
  public func encodePadded(_ text: String, to length: Int? = nil) -> [Int] {
    padded(encode(text), to: length ?? modelMaxLength)
  }

  /// The ids of ``encode(_:)``, truncated or padded to `length`.
  public func padded(_ ids: [Int], to length: Int) -> [Int] {
    paddedIDs(ids, to: length, end: endID, padding: padID)
  }

  /// The prompt with every vector of its tokens of textual inversion written out: `<cat> <cat>_1`
  /// for `<cat>`. Some pipelines of diffusers encode that in place of the prompt.
  public func writingOutVectors(of prompt: String) -> String {
    multiVector.writtenOut(prompt, encode: content)
  }

  private func content(_ text: String) -> [Int] {
    switch reference {
    case .transformers: transformersContent(text)
    case .openCLIP:
      OpenCLIPTextCleaning.words(OpenCLIPTextCleaning.cleaned(text)).flatMap { word in
        switch word {
        case .start: [startID]
        case .end: [endID]
        case .text(let bytes): vocabulary.encode(word: bytes, unknown: unknownID)
        }
      }
    }
  }

  private func transformersContent(_ text: String) -> [Int] {
    ids(Array(text.unicodeScalars), rawTokens) { piece in
      let normalized = CLIPTextCleaning.normalized(String(piece))
      return ids(Array(normalized), normalizedTokens) { piece in
        CLIPTextCleaning.words(String(piece).unicodeScalars)
          .flatMap { vocabulary.encode(word: $0, unknown: unknownID) }
      }
    }
  }

  /// The ids of a text: the ids of its added tokens, and `encode` of the text between them.
  private func ids(
    _ text: [Unicode.Scalar], _ tokens: AddedTokens,
    encode: (ArraySlice<Unicode.Scalar>) -> [Int]
  ) -> [Int] {
    tokens.parts(of: text).flatMap { part in
      switch part {
      case .token(let id): [id]
      case .text(let range): encode(text[range])
      }
    }
  }
}
