import Foundation
import Foundations

extension CLIPTokenizer {
  /// Writes `vocab.json`, `merges.txt`, `tokenizer_config.json` and `special_tokens_map.json`;
  /// transformers' `CLIPTokenizer` loaded from them gives the same ids. Creates the folder if
  /// missing.
  public func write(to folder: String) throws(TokenizerError) {
    do throws(FileError) {
      try FileTree.makeFolder(folder)
    } catch {
      throw .unwritable(path: folder, reason: error.reason)
    }
    let tokens = vocabulary.tokens
    let merges = vocabulary.merges.map { tokens[$0.left] + [0x20] + tokens[$0.right] + [0x0A] }
    let special = SpecialTokenNames(
      start: name(startID), end: name(endID), pad: name(padID), unknown: name(unknownID))
    try write(BytePairVocabularyFiles.text(tokens), to: "\(folder)/vocab.json")
    try write(Array("#version: 0.2\n".utf8) + merges.joined(), to: "\(folder)/merges.txt")
    try writeJSON(
      ConfigurationContents(
        special: special, modelMaxLength: modelMaxLength, added: listedTokens(special)),
      to: "\(folder)/tokenizer_config.json")
    try writeJSON(special, to: "\(folder)/special_tokens_map.json")
  }

  private func name(_ id: Int) -> String {
    addedTokens.first { $0.id == id }?.token.name
      ?? String(decoding: vocabulary.tokens[id], as: UTF8.self)
  }

  /// The entries of `added_tokens_decoder`; nil if the named tokens are the only added ones.
  private func listedTokens(_ special: SpecialTokenNames) -> [String: TokenContents]? {
    let named = [special.start, special.end, special.pad, special.unknown].map { AddedToken($0) }
    guard addedTokens.contains(where: { !named.contains($0.token) }) else { return nil }
    return Dictionary(
      uniqueKeysWithValues: addedTokens.map { ("\($0.id)", TokenContents(token: $0.token)) })
  }

  private func writeJSON(_ value: some Encodable, to path: String) throws(TokenizerError) {
    let data: Data
    do {
      data = try JSONEncoder.indented.encode(value)
    } catch {
      throw .unwritable(path: path, reason: "\(error)")
    }
    try write([UInt8](data) + [0x0A], to: path)
  }

  private func write(_ bytes: [UInt8], to path: String) throws(TokenizerError) {
    do throws(FileError) {
      try AtomicFile.write(bytes, to: path)
    } catch {
      throw .unwritable(path: path, reason: error.reason)
    }
  }
}

private struct SpecialTokenNames: Encodable {
  let start: String
  let end: String
  let pad: String
  let unknown: String

  enum CodingKeys: String, CodingKey {
    case start = "bos_token"
    case end = "eos_token"
    case pad = "pad_token"
    case unknown = "unk_token"
  }
}

/// An entry of `added_tokens_decoder`.
private struct TokenContents: Encodable {
  let token: AddedToken

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(token.name, forKey: .content)
    try container.encode(token.stripsLeft, forKey: .leftStrip)
    try container.encode(token.stripsRight, forKey: .rightStrip)
    try container.encode(token.isSingleWord, forKey: .singleWord)
    try container.encode(token.isNormalized, forKey: .normalized)
    try container.encode(token.isSpecial, forKey: .special)
  }

  enum CodingKeys: String, CodingKey {
    case content, special, normalized
    case leftStrip = "lstrip"
    case rightStrip = "rstrip"
    case singleWord = "single_word"
  }
}

private struct ConfigurationContents: Encodable {
  let special: SpecialTokenNames
  let modelMaxLength: Int
  let added: [String: TokenContents]?

  func encode(to encoder: any Encoder) throws {
    try special.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(modelMaxLength, forKey: .modelMaxLength)
    try container.encode("CLIPTokenizer", forKey: .tokenizerClass)
    try container.encodeIfPresent(added, forKey: .added)
  }

  enum CodingKeys: String, CodingKey {
    case modelMaxLength = "model_max_length"
    case tokenizerClass = "tokenizer_class"
    case added = "added_tokens_decoder"
  }
}
