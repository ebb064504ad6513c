import Foundations

/// The normalizer and pre-tokenizer of a byte-level BPE tokenizer, as in `tokenizer.json`.
struct BytePairScheme: Sendable {
  /// The tokenizer's name in errors.
  let name: String
  /// The suffix of the last token of a word.
  let wordEnd: [UInt8]
  /// The members of `tokenizer.json` that determine the words, each with its accepted values.
  private let steps: [(key: String, accepted: [String])]

  /// Throws ``TokenizerError/unsupported(path:key:reason:)`` for a file with another scheme.
  func check(_ file: JSONValue, path: String) throws(TokenizerError) {
    for (key, texts) in steps {
      var accepted: [JSONValue] = []
      for text in texts { accepted.append(try TokenizerFile.json(Array(text.utf8), path: path)) }
      guard let found = file[key]?.sorted, accepted.contains(where: { $0.sorted == found }) else {
        throw .unsupported(path: path, key: key, reason: "is not \(name)'s")
      }
    }
    let model = file["model"]
    guard model?["type"] == .string("BPE") else {
      throw .unsupported(path: path, key: "model.type", reason: "is not 'BPE'")
    }
    let suffix = model?["end_of_word_suffix"]
    let isExpected = suffix == .string(String(decoding: wordEnd, as: UTF8.self))
    guard isExpected || wordEnd.isEmpty && suffix == .null else {
      throw .unsupported(
        path: path, key: "model.end_of_word_suffix",
        reason: "is not '\(String(decoding: wordEnd, as: UTF8.self))'")
    }
  }

  /// The scheme of ``CLIPTextCleaning``.
  static let clip = BytePairScheme(
    name: "CLIP", wordEnd: Array("</w>".utf8),
    steps: [
      (
        "normalizer",
        [
          #"""
          {"type": "Sequence", "normalizers": [{"type": "NFC"},
           {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "},
           {"type": "Lowercase"}]}
          """#
        ]
      ),
      (
        "pre_tokenizer",
        [
          #"""
          {"type": "Sequence", "pretokenizers": [
           {"type": "Split", "pattern": {"Regex": "<\\|startoftext\\|>|<\\|endoftext\\|>|\#
          's|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"},
            "behavior": "Removed", "invert": true},
           {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
            "use_regex": true}]}
          """#
        ]
      ),
    ])

  /// The scheme of ``QwenPreTokenizer``; `trim_offsets` has no effect on ids.
  static let qwen = BytePairScheme(
    name: "Qwen2", wordEnd: [],
    steps: [
      ("normalizer", [#"{"type": "NFC"}"#]),
      (
        "pre_tokenizer",
        ["true", "false"].map { trims in
          #"""
          {"type": "Sequence", "pretokenizers": [
           {"type": "Split", "pattern": {"Regex": "(?i:'s|'t|'re|'ve|'m|'ll|'d)|\#
          [^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\#
          \\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
            "behavior": "Isolated", "invert": false},
           {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": \#(trims),
            "use_regex": false}]}
          """#
        }
      ),
    ])
}

extension JSONValue {
  /// The value with the members of every object sorted by their keys.
  fileprivate var sorted: JSONValue {
    switch self {
    case .array(let items): .array(items.map(\.sorted))
    case .object(let members):
      .object(
        members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
          .map { Member($0.key, $0.value.sorted) })
    default: self
    }
  }
}
