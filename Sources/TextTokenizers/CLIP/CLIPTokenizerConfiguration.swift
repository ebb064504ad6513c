import Foundation

/// `tokenizer_config.json` of transformers' `CLIPTokenizer`, with `special_tokens_map.json`.
struct CLIPTokenizerConfiguration {
  /// A token that is recognised in the text before anything else.
  struct SpecialToken: Equatable {
    let content: String
    /// Whether it is looked for in normalised text, so in any case of letters.
    var isNormalised = false
  }

  var start = SpecialToken(content: CLIPTokenizer.startOfText)
  var end = SpecialToken(content: CLIPTokenizer.endOfText)
  var pad = SpecialToken(content: CLIPTokenizer.endOfText)
  var unknown = SpecialToken(content: CLIPTokenizer.endOfText)
  /// Tokens per prompt, the start and the end included.
  var modelMaxLength = 77
  /// Whether the vocabulary is in `tokenizer.json`, there being no `vocab.json`.
  var isSingleFile = false

  init() {}

  /// Reads the files of `folder`; all but the first may be missing.
  init(folder: String) throws(TokenizerError) {
    let path = "\(folder)/tokenizer_config.json"
    let file: ConfigurationFile = try decoded(path)
    if let name = file.tokenizerClass, !["CLIPTokenizer", "CLIPTokenizerFast"].contains(name) {
      throw .wrongClass(path: path, expected: "CLIPTokenizer", found: name)
    }
    for key in file.keys where !knownKeys.contains(key) {
      throw .unknownKey(path: path, key: key)
    }
    guard file.lowerCases != false else {
      throw .unsupported(path: path, key: "do_lower_case", reason: "false is not known")
    }
    guard file.addsPrefixSpace != true else {
      throw .unsupported(path: path, key: "add_prefix_space", reason: "true is not known")
    }
    if let length = file.modelMaxLength {
      guard length >= 2, length <= 1_000_000 else {
        throw .unsupported(path: path, key: "model_max_length", reason: "\(length)")
      }
      modelMaxLength = Int(length)
    }
    let files = FileManager.default
    let mapPath = "\(folder)/special_tokens_map.json"
    let map: SpecialTokens? = files.fileExists(atPath: mapPath) ? try decoded(mapPath) : nil
    var added = file.addedTokens.map { Array($0.values) } ?? []
    let single = "\(folder)/tokenizer.json"
    isSingleFile =
      files.fileExists(atPath: single) && !files.fileExists(atPath: "\(folder)/vocab.json")
    if isSingleFile { added = try (decoded(single) as SingleFile).addedTokens }
    func token(
      _ key: KeyPath<SpecialTokens, TokenEntry?>, _ fallback: SpecialToken
    ) throws(TokenizerError) -> SpecialToken {
      guard var entry = file.special[keyPath: key] ?? map?[keyPath: key] else { return fallback }
      if let override = added.first(where: { $0.content == entry.content }) {
        entry = override
      }
      return try entry.specialToken(path)
    }
    start = try token(\.start, start)
    end = try token(\.end, end)
    pad = try token(\.pad, pad)
    unknown = try token(\.unknown, unknown)
  }

  /// Distinct special tokens.
  var specialTokens: [SpecialToken] {
    [start, end, pad, unknown].reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }
}

/// Keys that are read, and keys that change nothing here.
private let knownKeys: Set<String> = [
  "tokenizer_class", "model_max_length", "do_lower_case", "add_prefix_space", "bos_token",
  "eos_token", "pad_token", "unk_token", "added_tokens_decoder",
  "name_or_path", "special_tokens_map_file", "tokenizer_file", "errors", "backend", "is_local",
  "local_files_only", "clean_up_tokenization_spaces", "processor_class", "extra_special_tokens",
]

private struct SpecialTokens: Decodable {
  let start: TokenEntry?
  let end: TokenEntry?
  let pad: TokenEntry?
  let unknown: TokenEntry?

  enum CodingKeys: String, CodingKey {
    case start = "bos_token"
    case end = "eos_token"
    case pad = "pad_token"
    case unknown = "unk_token"
  }
}

/// A token written as text or as an object with flags.
private struct TokenEntry: Decodable {
  let content: String
  var normalised = false
  var flags: [String] = []

  init(from decoder: any Decoder) throws {
    do {
      content = try decoder.singleValueContainer().decode(String.self)
    } catch DecodingError.typeMismatch {
      let object = try decoder.container(keyedBy: CodingKeys.self)
      content = try object.decode(String.self, forKey: .content)
      normalised = try object.decodeIfPresent(Bool.self, forKey: .normalised) ?? false
      for key in [CodingKeys.leftStrip, .rightStrip, .singleWord]
      where try object.decodeIfPresent(Bool.self, forKey: key) ?? false {
        flags.append(key.rawValue)
      }
    }
  }

  func specialToken(
    _ path: String
  ) throws(TokenizerError) -> CLIPTokenizerConfiguration.SpecialToken {
    if let flag = flags.first {
      throw .unsupported(path: path, key: flag, reason: "true for '\(content)' is not known")
    }
    return .init(content: content, isNormalised: normalised)
  }

  enum CodingKeys: String, CodingKey {
    case content
    case normalised = "normalized"
    case leftStrip = "lstrip"
    case rightStrip = "rstrip"
    case singleWord = "single_word"
  }
}

private struct ConfigurationFile: Decodable {
  let keys: [String]
  let tokenizerClass: String?
  let modelMaxLength: Double?
  let lowerCases: Bool?
  let addsPrefixSpace: Bool?
  let addedTokens: [String: TokenEntry]?
  let special: SpecialTokens

  init(from decoder: any Decoder) throws {
    let file = try decoder.container(keyedBy: AnyKey.self)
    keys = file.allKeys.map(\.stringValue).sorted()
    tokenizerClass = try file.decodeIfPresent(String.self, forKey: "tokenizer_class")
    modelMaxLength = try file.decodeIfPresent(Double.self, forKey: "model_max_length")
    lowerCases = try file.decodeIfPresent(Bool.self, forKey: "do_lower_case")
    addsPrefixSpace = try file.decodeIfPresent(Bool.self, forKey: "add_prefix_space")
    addedTokens = try file.decodeIfPresent(
      [String: TokenEntry].self, forKey: "added_tokens_decoder")
    special = try SpecialTokens(from: decoder)
  }
}

/// The part of `tokenizer.json` that says how special tokens are recognised.
private struct SingleFile: Decodable {
  let addedTokens: [TokenEntry]

  enum CodingKeys: String, CodingKey {
    case addedTokens = "added_tokens"
  }
}

private struct AnyKey: CodingKey, ExpressibleByStringLiteral {
  let stringValue: String
  var intValue: Int? { nil }

  init(stringLiteral value: String) { stringValue = value }
  init?(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { return nil }
}

private func decoded<Value: Decodable>(_ path: String) throws(TokenizerError) -> Value {
  let bytes = try fileBytes(path)
  do {
    return try JSONDecoder().decode(Value.self, from: Data(bytes))
  } catch {
    throw .malformed(path: path, reason: "\(error)")
  }
}
