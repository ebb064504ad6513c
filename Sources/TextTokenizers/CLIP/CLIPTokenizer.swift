import Foundation

/// CLIP's byte-level BPE tokenizer, with the ids of transformers' `CLIPTokenizer`.
public struct CLIPTokenizer: Sendable {
  static let startOfText = "<|startoftext|>"
  static let endOfText = "<|endoftext|>"

  public let vocabulary: CLIPVocabulary
  /// Tokens per prompt, the start and the end included.
  public let modelMaxLength: Int
  /// The id that begins a prompt.
  public let startID: Int
  /// The id that ends a prompt.
  public let endID: Int
  /// The id that fills a prompt up.
  public let padID: Int

  private let unknownID: Int
  private let rawSpecials: [Special]
  private let normalisedSpecials: [Special]

  private struct Special: Sendable {
    let text: [Unicode.Scalar]
    let id: Int
  }

  /// Reads `tokenizer_config.json`, `special_tokens_map.json` if present, and the vocabulary from
  /// `vocab.json` and `merges.txt` or, where there is no `vocab.json`, from `tokenizer.json`.
  public init(folder: String) throws(TokenizerError) {
    let configuration = try CLIPTokenizerConfiguration(folder: folder)
    let single = "\(folder)/tokenizer.json"
    let files =
      configuration.isSingleFile
      ? try CLIPVocabularyFiles(tokenizerPath: single)
      : try CLIPVocabularyFiles(
        vocabularyPath: "\(folder)/vocab.json", mergesPath: "\(folder)/merges.txt")
    try self.init(try CLIPVocabulary(files), configuration, path: files.path)
  }

  /// A tokenizer of a trained vocabulary that fills prompts up with the end of the text.
  ///
  /// - Parameter modelMaxLength: tokens per prompt, the start and the end included; at least 2.
  public init(vocabulary: CLIPVocabulary, modelMaxLength: Int) throws(TokenizerError) {
    precondition(modelMaxLength >= 2, "a prompt has at least a start and an end")
    var configuration = CLIPTokenizerConfiguration()
    configuration.modelMaxLength = modelMaxLength
    try self.init(vocabulary, configuration, path: "vocabulary")
  }

  private init(
    _ vocabulary: CLIPVocabulary, _ configuration: CLIPTokenizerConfiguration, path: String
  ) throws(TokenizerError) {
    func id(_ token: CLIPTokenizerConfiguration.SpecialToken) throws(TokenizerError) -> Int {
      guard let id = vocabulary.id(token.content) else {
        throw .missingToken(path: path, token: token.content)
      }
      return id
    }
    self.vocabulary = vocabulary
    modelMaxLength = configuration.modelMaxLength
    startID = try id(configuration.start)
    endID = try id(configuration.end)
    padID = try id(configuration.pad)
    unknownID = try id(configuration.unknown)
    var raw: [Special] = []
    var normalised: [Special] = []
    for token in configuration.specialTokens {
      if token.isNormalised {
        let text = Array(CLIPTextCleaning.normalised(token.content))
        normalised.append(Special(text: text, id: try id(token)))
      } else {
        raw.append(Special(text: Array(token.content.unicodeScalars), id: try id(token)))
      }
    }
    rawSpecials = raw
    normalisedSpecials = normalised
  }

  /// The ids of a prompt between start and end, neither cut nor filled up.
  public func encode(_ text: String) -> [Int] { [startID] + content(text) + [endID] }

  /// The ids of a prompt, cut or filled up to `length` (`modelMaxLength` if not given).
  public func encodePadded(_ text: String, to length: Int? = nil) -> [Int] {
    let length = length ?? modelMaxLength
    precondition(length >= 2, "a prompt has at least a start and an end")
    let ids = [startID] + content(text).prefix(length - 2) + [endID]
    return ids + [Int](repeating: padID, count: length - ids.count)
  }

  private func content(_ text: String) -> [Int] {
    pieces(Array(text.unicodeScalars), rawSpecials).flatMap { piece -> [Int] in
      switch piece {
      case .special(let id): return [id]
      case .text(let scalars):
        let normalised = CLIPTextCleaning.normalised(String(scalars))
        return pieces(Array(normalised), normalisedSpecials).flatMap { piece -> [Int] in
          switch piece {
          case .special(let id): return [id]
          case .text(let scalars): return encodeWords(scalars)
          }
        }
      }
    }
  }

  private func encodeWords(_ scalars: ArraySlice<Unicode.Scalar>) -> [Int] {
    CLIPTextCleaning.words(String(scalars).unicodeScalars)
      .flatMap { vocabulary.encode(word: $0, unknown: unknownID) }
  }

  private enum Piece {
    case special(Int)
    case text(ArraySlice<Unicode.Scalar>)
  }

  /// Cuts text at special tokens: the first from the left, the longest of those that begin there.
  private func pieces(_ text: [Unicode.Scalar], _ specials: [Special]) -> [Piece] {
    var pieces: [Piece] = []
    var start = 0
    var position = 0
    while position < text.count {
      let found = specials.filter { text[position...].starts(with: $0.text) }
        .max { $0.text.count < $1.text.count }
      guard let found, !found.text.isEmpty else {
        position += 1
        continue
      }
      if start < position { pieces.append(.text(text[start..<position])) }
      pieces.append(.special(found.id))
      position += found.text.count
      start = position
    }
    if start < text.count { pieces.append(.text(text[start...])) }
    return pieces
  }
}
