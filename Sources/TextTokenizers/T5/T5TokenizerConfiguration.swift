import Foundation
import Foundations

/// `tokenizer_config.json` of transformers' `T5TokenizerFast`, with `special_tokens_map.json`.
struct T5TokenizerConfiguration {
  /// The token that ends a prompt.
  private(set) var end = "</s>"
  /// The padding token.
  private(set) var pad = "<pad>"
  /// Tokens by id with their matching flags; empty in files of 2025 and later.
  private(set) var addedTokens: [(id: Int, token: AddedToken)] = []
  /// Special tokens without ids in the files.
  private(set) var specialTokens: [AddedToken] = []

  /// Reads the files; `special_tokens_map.json` may be missing.
  init(_ files: T5TokenizerFiles) throws(TokenizerError) {
    let file = try files.content(T5TokenizerFiles.configuration)
    try Self.checkClass(file)
    try file.allowOnly(knownKeys)
    try Self.checkSettings(file)
    let map = try files.content(T5TokenizerFiles.specialTokens, or: .object([]))
    end = try Self.named("eos_token", file, map)?.name ?? end
    pad = try Self.named("pad_token", file, map)?.name ?? pad
    let unknown = try Self.named("unk_token", file, map)?.name ?? "<unk>"
    specialTokens = [pad, end, unknown].map { AddedToken($0) }
    for source in [file, map] {
      for key in ["additional_special_tokens", "extra_special_tokens"] {
        guard case .array = source[key].value else { continue }
        for token in try source[key].elements() { specialTokens.append(try AddedToken(token)) }
      }
    }
    guard !file["added_tokens_decoder"].isNull else { return }
    for (name, token) in try file["added_tokens_decoder"].members() {
      guard let id = Int(name) else { throw token.wrong("the description of an id") }
      addedTokens.append((id, try AddedToken(token)))
    }
  }

  private static func checkClass(_ file: JSONField) throws(TokenizerError) {
    guard !file["tokenizer_class"].isNull else { return }
    let name = try file["tokenizer_class"].string()
    guard ["T5Tokenizer", "T5TokenizerFast"].contains(name) else {
      throw .wrongClass(path: file.path, expected: "T5Tokenizer", found: name)
    }
  }

  /// Checks settings that have only one supported value.
  private static func checkSettings(_ file: JSONField) throws(TokenizerError) {
    for key in ["padding_side", "truncation_side"] where !file[key].isNull {
      let side = try file[key].string()
      guard side == "right" else { throw file[key].unsupported("'\(side)' is not supported") }
    }
    for (key, expected) in [("split_special_tokens", false), ("add_prefix_space", true)] {
      guard try file[key].flag(or: expected) == expected else {
        throw file[key].unsupported("\(!expected) is not supported")
      }
    }
  }

  private static func named(
    _ key: String, _ file: JSONField, _ map: JSONField
  ) throws(TokenizerError) -> AddedToken? {
    for source in [file, map] where !source[key].isNull { return try AddedToken(source[key]) }
    return nil
  }
}

/// Keys that are read, and keys without effect on ids.
private let knownKeys: Set<String> = [
  "tokenizer_class", "eos_token", "pad_token", "unk_token", "additional_special_tokens",
  "extra_special_tokens", "added_tokens_decoder", "padding_side", "truncation_side",
  "split_special_tokens", "add_prefix_space",
  "model_max_length", "extra_ids", "legacy", "sp_model_kwargs", "clean_up_tokenization_spaces",
  "name_or_path", "special_tokens_map_file", "tokenizer_file", "processor_class", "backend",
  "is_local", "local_files_only", "max_length", "stride", "truncation_strategy",
  "pad_to_multiple_of", "pad_token_type_id", "unk_id",
]

extension T5Tokenizer {
  /// `model_max_length` of a tokenizer's folder: the tokens of a prompt unless the model says
  /// otherwise. Nil without the folder or the key.
  ///
  /// - Throws: `TokenizerError` for a file that cannot be read.
  public static func modelMaxLength(folder: String) throws(TokenizerError) -> Int? {
    let path = "\(folder)/\(T5TokenizerFiles.configuration)"
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    // transformers writes 1e30 for a tokenizer without a limit.
    return try JSONField(contentsOf: path)["model_max_length"].value.number
      .flatMap { Int(exactly: $0) }
  }
}
