import Foundation
import Foundations

/// `tokenizer_config.json` of transformers' `CLIPTokenizer`, and the added tokens of the files
/// beside it.
///
/// Files and precedence are those of transformers 5. The tokens are those of
/// `added_tokens_decoder` if the configuration has it (transformers 4 writes it); else those of
/// `special_tokens_map.json`, `added_tokens.json` (transformers before 4.34) and `tokenizer.json`
/// (transformers 5), where later files override earlier ones.
struct CLIPTokenizerConfiguration {
  var start = AddedToken(CLIPTokenizer.startOfText)
  var end = AddedToken(CLIPTokenizer.endOfText)
  var pad = AddedToken(CLIPTokenizer.endOfText)
  var unknown = AddedToken(CLIPTokenizer.endOfText)
  /// Tokens per prompt, the start and the end included.
  var modelMaxLength = 77
  /// Whether the vocabulary is in `tokenizer.json` because there is no `vocab.json`.
  var isSingleFile = false
  /// Tokens that the files list with ids, in ascending order of ids, special ones included.
  private(set) var listedTokens: [(id: Int, token: AddedToken)] = []
  /// Special tokens without ids in the files, in the order of their ids.
  private(set) var extraTokens: [AddedToken] = []
  /// Special tokens without ids and order in the files.
  private(set) var unorderedTokens: [AddedToken] = []

  init() {}

  /// Reads the files of `folder`; only `tokenizer_config.json` is required.
  init(folder: String) throws(TokenizerError) {
    let file = try JSONField(contentsOf: "\(folder)/tokenizer_config.json")
    try Self.checkClass(file)
    try file.allowOnly(knownKeys)
    try Self.checkSettings(file)
    if !file["model_max_length"].isNull {
      modelMaxLength = try Self.length(file["model_max_length"])
    }
    let listsTokens = !file["added_tokens_decoder"].isNull
    let map = listsTokens ? nil : try Self.field("special_tokens_map.json", of: folder)
    let single = try Self.field("tokenizer.json", of: folder)
    if let single { try single.checkSides(besides: file) }
    isSingleFile =
      single != nil && !FileManager.default.fileExists(atPath: "\(folder)/vocab.json")
    // The map overrides the configuration.
    let sources = [map, file].compactMap { $0 }
    for source in sources {
      for key in ["extra_special_tokens", "additional_special_tokens"] {
        guard case .object = source[key].value else {
          if source[key].isNull { continue }
          for token in try source[key].elements() {
            extraTokens.append(try AddedToken(token, isSpecial: true))
          }
          continue
        }
        for (_, token) in try source[key].members() {
          unorderedTokens.append(try AddedToken(token, isSpecial: true))
        }
      }
    }
    for (path, key) in Self.names {
      for source in sources where !source[key].isNull {
        self[keyPath: path] = try AddedToken(source[key], isSpecial: true)
        break
      }
    }
    let special = Set((namedTokens + extraTokens).map(\.content))
    let listed =
      listsTokens
      ? try Self.decoder(file["added_tokens_decoder"])
      : try Self.listedTokens(folder: folder, single: single, special: special)
    listedTokens = listed.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    // The flags of listed tokens override those of named tokens.
    for (path, _) in Self.names {
      let content = self[keyPath: path].content
      if let entry = listedTokens.last(where: { $0.token.content == content }) {
        self[keyPath: path] = entry.token
        self[keyPath: path].isSpecial = true
      }
    }
  }

  /// Start, end, unknown and padding token, in the order in which transformers adds unlisted ones.
  var namedTokens: [AddedToken] { Self.names.map { self[keyPath: $0.path] } }

  private static var names: [(path: WritableKeyPath<Self, AddedToken>, key: String)] {
    [(\.start, "bos_token"), (\.end, "eos_token"), (\.unknown, "unk_token"), (\.pad, "pad_token")]
  }

  private static func field(
    _ name: String, of folder: String
  ) throws(TokenizerError) -> JSONField? {
    let path = "\(folder)/\(name)"
    return FileManager.default.fileExists(atPath: path) ? try JSONField(contentsOf: path) : nil
  }

  private static func checkClass(_ file: JSONField) throws(TokenizerError) {
    guard !file["tokenizer_class"].isNull else { return }
    let name = try file["tokenizer_class"].string()
    guard ["CLIPTokenizer", "CLIPTokenizerFast"].contains(name) else {
      throw .wrongClass(path: file.path, expected: "CLIPTokenizer", found: name)
    }
  }

  /// Checks settings that have only one supported value.
  private static func checkSettings(_ file: JSONField) throws(TokenizerError) {
    for key in ["padding_side", "truncation_side"] where !file[key].isNull {
      let side = try file[key].string()
      guard side == "right" else { throw file[key].unsupported("'\(side)' is not supported") }
    }
    for (key, expected) in [
      ("do_lower_case", true), ("add_prefix_space", false), ("split_special_tokens", false),
    ] {
      guard try file[key].flag(or: expected) == expected else {
        throw file[key].unsupported("\(!expected) is not supported")
      }
    }
  }

  private static func length(_ field: JSONField) throws(TokenizerError) -> Int {
    guard let length = field.value.number else { throw field.wrong("a number") }
    guard length >= 2, length <= 1_000_000 else { throw field.unsupported("\(length)") }
    return Int(length)
  }

  /// `added_tokens_decoder`: tokens keyed by their ids as text.
  private static func decoder(_ field: JSONField) throws(TokenizerError) -> [Int: AddedToken] {
    var tokens: [Int: AddedToken] = [:]
    for (name, token) in try field.members() {
      guard let id = Int(name) else { throw token.wrong("the description of an id") }
      tokens[id] = try AddedToken(token)
    }
    return tokens
  }

  /// The tokens of `added_tokens.json`, ids by text, and of `tokenizer.json`.
  private static func listedTokens(
    folder: String, single: JSONField?, special: Set<[Unicode.Scalar]>
  ) throws(TokenizerError) -> [Int: AddedToken] {
    var tokens: [Int: AddedToken] = [:]
    if let file = try field("added_tokens.json", of: folder) {
      for (name, id) in try file.members() {
        var token = AddedToken(name)
        token.isSpecial = special.contains(token.content)
        token.isNormalized = !token.isSpecial
        tokens[try id.integer()] = token
      }
    }
    if let entries = single?["added_tokens"], !entries.isNull {
      for entry in try entries.elements() {
        tokens[try entry["id"].integer()] = try AddedToken(entry)
      }
    }
    return tokens
  }
}

/// Keys that are read, and keys without effect on ids: transformers writes some of them after a
/// tokenizer has been used, such as the length of the last prompt.
private let knownKeys: Set<String> = [
  "tokenizer_class", "model_max_length", "do_lower_case", "add_prefix_space", "bos_token",
  "eos_token", "pad_token", "unk_token", "added_tokens_decoder", "extra_special_tokens",
  "additional_special_tokens", "padding_side", "truncation_side", "split_special_tokens",
  "name_or_path", "special_tokens_map_file", "tokenizer_file", "errors", "backend", "is_local",
  "local_files_only", "clean_up_tokenization_spaces", "processor_class", "max_length", "stride",
  "truncation_strategy", "pad_to_multiple_of", "pad_token_type_id",
]
