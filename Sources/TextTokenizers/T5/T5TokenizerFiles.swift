import Foundation
import Foundations

/// The files that describe a T5 tokenizer, kept to be written as they were read.
struct T5TokenizerFiles: Sendable {
  static let tokenizer = "tokenizer.json"
  static let configuration = "tokenizer_config.json"
  static let specialTokens = "special_tokens_map.json"

  /// The bytes of each file, by name.
  let bytes: [String: [UInt8]]
  /// The folder, for errors.
  private let folder: String

  /// Reads the files of `folder`; only `tokenizer_config.json` must be there.
  init(folder: String) throws(TokenizerError) {
    var bytes = [
      Self.configuration: try TokenizerFile.bytes("\(folder)/\(Self.configuration)")
    ]
    for name in [Self.tokenizer, Self.specialTokens] {
      let path = "\(folder)/\(name)"
      guard FileManager.default.fileExists(atPath: path) else { continue }
      bytes[name] = try TokenizerFile.bytes(path)
    }
    self.bytes = bytes
    self.folder = folder
  }

  /// The files of a tokenizer that is in no folder yet.
  init(tokenizer: JSONValue, configuration: JSONValue) {
    bytes = [Self.tokenizer: tokenizer, Self.configuration: configuration]
      .mapValues { Array("\($0.text)\n".utf8) }
    folder = "new T5 tokenizer"
  }

  /// The content of a file.
  ///
  /// - Parameter fallback: the content of a missing file; with nil, that is an error.
  func content(
    _ name: String, or fallback: JSONValue? = nil
  ) throws(TokenizerError) -> JSONField {
    let path = "\(folder)/\(name)"
    if let bytes = bytes[name] {
      return JSONField(value: try TokenizerFile.json(bytes, path: path), path: path, key: "")
    }
    if let fallback { return JSONField(value: fallback, path: path, key: "") }
    if FileManager.default.fileExists(atPath: "\(folder)/spiece.model") {
      throw .unreadable(
        path: path,
        reason: "there is only SentencePiece's spiece.model: save the tokenizer with transformers")
    }
    return try JSONField(contentsOf: path)
  }
}
