import Foundation

/// CLIP's byte-level BPE tokenizer, with the ids of transformers' `CLIPTokenizer` or of open_clip's
/// `SimpleTokenizer`.
public struct CLIPTokenizer: Sendable {
  /// The Python classes whose ids a tokenizer can have; they differ before the vocabulary.
  public enum Reference: Sendable {
    /// `CLIPTokenizer` of transformers, which cleans little.
    case transformers
    /// `SimpleTokenizer` of open_clip, which repairs text by ftfy and reads HTML's character
    /// references.
    case openCLIP
  }

  static let startOfText = "<|startoftext|>"
  static let endOfText = "<|endoftext|>"

  public let vocabulary: BytePairVocabulary
  /// Tokens per prompt, the start and the end included.
  public let modelMaxLength: Int
  /// The id that begins a prompt.
  public let startID: Int
  /// The id that ends a prompt.
  public let endID: Int
  /// The id that fills a prompt up.
  public let padID: Int

  private let reference: Reference
  private let unknownID: Int
  private let rawSpecials: AddedTokens
  private let normalisedSpecials: AddedTokens

  /// Reads `tokenizer_config.json`, `special_tokens_map.json` if present, and the vocabulary from
  /// `vocab.json` and `merges.txt` or, where there is no `vocab.json`, from `tokenizer.json`.
  ///
  /// - Parameter reference: whose ids a text gets.
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

  /// A tokenizer of a trained vocabulary that fills prompts up with the end of the text.
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
    func id(_ token: CLIPTokenizerConfiguration.SpecialToken) throws(TokenizerError) -> Int {
      guard let id = vocabulary.id(token.content) else {
        throw .missingToken(path: path, token: token.content)
      }
      return id
    }
    self.vocabulary = vocabulary
    self.reference = reference
    modelMaxLength = configuration.modelMaxLength
    startID = try id(configuration.start)
    endID = try id(configuration.end)
    padID = try id(configuration.pad)
    unknownID = try id(configuration.unknown)
    var raw = AddedTokens()
    var normalised = AddedTokens()
    for special in configuration.specialTokens {
      let token = AddedToken(special.content)
      if special.isNormalised {
        let text = Array(CLIPTextCleaning.normalised(special.content))
        normalised.insert(token, as: text, id: try id(special))
      } else {
        raw.insert(token, as: token.content, id: try id(special))
      }
    }
    rawSpecials = raw
    normalisedSpecials = normalised
  }

  /// The ids of a prompt between start and end, neither cut nor filled up.
  public func encode(_ text: String) -> [Int] { [startID] + content(text) + [endID] }

  /// The ids of a prompt, cut or filled up to `length` (`modelMaxLength` if not given).
  public func encodePadded(_ text: String, to length: Int? = nil) -> [Int] {
    padded(encode(text), to: length ?? modelMaxLength)
  }

  /// The ids that ``encode(_:)`` gave, cut or filled up to `length`.
  public func padded(_ ids: [Int], to length: Int) -> [Int] {
    precondition(length >= 2, "a prompt has at least a start and an end")
    guard ids.count < length else { return ids.prefix(length - 1) + [endID] }
    return ids + [Int](repeating: padID, count: length - ids.count)
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
    ids(Array(text.unicodeScalars), rawSpecials) { piece in
      let normalised = CLIPTextCleaning.normalised(String(piece))
      return ids(Array(normalised), normalisedSpecials) { piece in
        CLIPTextCleaning.words(String(piece).unicodeScalars)
          .flatMap { vocabulary.encode(word: $0, unknown: unknownID) }
      }
    }
  }

  /// The ids of a text: of its special tokens, and what `encode` makes of the rest.
  private func ids(
    _ text: [Unicode.Scalar], _ specials: AddedTokens,
    encode: (ArraySlice<Unicode.Scalar>) -> [Int]
  ) -> [Int] {
    specials.parts(of: text).flatMap { part in
      switch part {
      case .token(let id): [id]
      case .text(let range): encode(text[range])
      }
    }
  }
}
