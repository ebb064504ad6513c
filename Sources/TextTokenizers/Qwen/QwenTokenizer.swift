import Foundation

/// Qwen's byte-level BPE tokenizer, with the ids of transformers' `Qwen2Tokenizer`.
public struct QwenTokenizer: Sendable {
  /// The number of ids, added tokens included.
  public let vocabularyCount: Int

  private let vocabulary: BytePairVocabulary
  private let addedTokens: AddedTokens
  private let addedIDs: [[Unicode.Scalar]: Int]

  /// Reads the vocabulary from `vocab.json` and `merges.txt` or, where there is no `vocab.json`,
  /// from `tokenizer.json`, and the added tokens from `tokenizer_config.json` or, where it lists
  /// none, from `tokenizer.json`. A text that is too long must be truncated at its end.
  ///
  /// - Parameter extra: special tokens that get the next free ids, in order, as with transformers'
  ///   `add_special_tokens`; an existing token keeps its id.
  public init(folder: String, adding extra: [String] = []) throws(TokenizerError) {
    let files = FileManager.default
    let single = "\(folder)/tokenizer.json"
    let isSingleFile =
      files.fileExists(atPath: single) && !files.fileExists(atPath: "\(folder)/vocab.json")
    let vocabularyFiles =
      isSingleFile
      ? try BytePairVocabularyFiles(tokenizerPath: single, .qwen)
      : try BytePairVocabularyFiles(
        vocabularyPath: "\(folder)/vocab.json", mergesPath: "\(folder)/merges.txt")
    vocabulary = try BytePairVocabulary(vocabularyFiles, .qwen)
    var tokens = try Self.addedTokens(folder: folder, single: single, isSingleFile: isSingleFile)
    var count = max(vocabulary.count, (tokens.map(\.id).max() ?? 0) + 1)
    for name in extra where !tokens.contains(where: { $0.token.name == name }) {
      tokens.append((AddedToken(name), count))
      count += 1
    }
    for character in ByteLevel.scalars where vocabulary.id(String(character)) == nil {
      throw .missingToken(path: vocabularyFiles.path, token: String(character))
    }
    vocabularyCount = count
    var added = AddedTokens()
    for (token, id) in tokens {
      guard vocabulary.id(token.name) ?? max(id, vocabulary.count) == id else {
        throw .malformed(
          path: folder, reason: "the added token '\(token.name)' has another token's id, \(id)")
      }
      added.insert(token, as: token.content, id: id)
    }
    addedTokens = added
    addedIDs = Dictionary(tokens.map { ($0.token.content, $0.id) }) { first, _ in first }
  }

  /// The ids of a text, added tokens included.
  ///
  /// O(n log n) in the length of `text`.
  public func encode(_ text: String) -> [Int] {
    let scalars = Array(text.unicodeScalars)
    return addedTokens.parts(of: scalars).flatMap { part -> [Int] in
      switch part {
      case .token(let id): return [id]
      case .text(let range):
        return QwenPreTokenizer.split(String(scalars[range]).composedScalars[...]).flatMap {
          vocabulary.encode(word: Array(String($0).utf8), unknown: nil)
        }
      }
    }
  }

  /// The id of an added token; nil if there is none of this name.
  public func id(ofAdded token: String) -> Int? { addedIDs[Array(token.unicodeScalars)] }

  private static func addedTokens(
    folder: String, single: String, isSingleFile: Bool
  ) throws(TokenizerError) -> [(token: AddedToken, id: Int)] {
    let path = "\(folder)/tokenizer_config.json"
    let file = try JSONField(contentsOf: path)
    let name = file["tokenizer_class"]
    if !name.isNull, !["Qwen2Tokenizer", "Qwen2TokenizerFast"].contains(try name.string()) {
      throw .wrongClass(path: path, expected: "Qwen2Tokenizer", found: try name.string())
    }
    for key in ["add_prefix_space", "add_bos_token", "add_eos_token", "split_special_tokens"] {
      guard try !file[key].flag(or: false) else {
        throw file[key].unsupported("true is not supported")
      }
    }
    let hasTokens = !file["added_tokens_decoder"].isNull
    let saved = isSingleFile || !hasTokens ? try JSONField(contentsOf: single) : nil
    var side = file["truncation_side"]
    if side.isNull, let saved { side = saved["truncation"]["direction"] }
    if !side.isNull, try side.string().lowercased() != "right" {
      throw side.unsupported("'\(try side.string())' is not supported")
    }
    var tokens: [(token: AddedToken, id: Int)] = []
    if hasTokens {
      for (key, entry) in try file["added_tokens_decoder"].members() {
        guard let id = Int(key) else { throw entry.wrong("keyed by an id") }
        tokens.append((try AddedToken(entry), id))
      }
    } else if let saved {
      for entry in try saved["added_tokens"].elements() {
        tokens.append((try AddedToken(entry), try entry["id"].integer()))
      }
    }
    for (token, _) in tokens where token.isNormalized {
      throw .unsupported(
        path: folder, key: "added_tokens_decoder",
        reason: "'\(token.name)' is matched in normalized text, which is not supported")
    }
    return tokens.sorted { $0.id < $1.id }
  }
}
