import Foundation
import TestSupport
import Testing
import TextTokenizers

@Suite struct T5TokenizerTests {
  private let folder = fixture("tokenizers/t5")

  @Test func `ids of awkward texts equal those of transformers`() throws {
    try AwkwardTexts().check(folder: folder, try T5Tokenizer(folder: folder).encode)
  }

  @Test func `a prompt is truncated before its end token, or padded after it`() throws {
    let tokenizer = try T5Tokenizer(folder: folder)
    let ids = tokenizer.encode("a photo of a red circle")
    #expect(ids.last == 1)
    #expect(tokenizer.encodePadded("a photo of a red circle", to: 5) == ids.prefix(4) + [1])
    let padding = [Int](repeating: 0, count: 20 - ids.count)
    #expect(tokenizer.encodePadded("a photo of a red circle", to: 20) == ids + padding)
    #expect(tokenizer.encodePadded("", to: 3) == [1, 0, 0])
    #expect(tokenizer.vocabularyCount == 909)
  }

  /// Other members of tokenizer.json, and a digest of the ids of every awkward text.
  private struct Variant: Decodable {
    let name: String
    let digests: [UInt64]
  }

  @Test func `ids from other tokenizer files equal those of the tokenizers library`() throws {
    let texts = try AwkwardTexts().texts
    let path = "\(folder)/variants.json"
    let variants = try decoded([Variant].self, path)
    let contents = try #require(try object(path) as? [[String: Any]])
    for (variant, content) in zip(variants, contents) {
      let members = try #require(content["members"] as? [String: Any])
      let digests = try withTokenizer(replacing: members) { folder in
        let tokenizer = try T5Tokenizer(folder: folder)
        return texts.map { AwkwardTexts.digest(tokenizer.encode($0)) }
      }
      try #require(digests.count == variant.digests.count)
      for (index, text) in texts.enumerated() {
        #expect(
          digests[index] == variant.digests[index],
          "\(variant.name): \(text.prefix(40).debugDescription)")
      }
    }
  }

  @Test(arguments: [
    (#"{"normalizer": {"type": "Lowercase"}}"#, "'normalizer.type': 'Lowercase' is not supported"),
    (#"{"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAA"}}"#, "not base64"),
    (#"{"normalizer": {"type": "Precompiled", "precompiled_charsmap": "/////wAA"}}"#, "not fit"),
    (
      #"{"normalizer": {"type": "Replace", "pattern": {"Regex": "\\s"}, "content": ""}}"#,
      "'normalizer.pattern.Regex'"
    ),
    (#"{"pre_tokenizer": {"type": "Digits"}}"#, "'pre_tokenizer.type': 'Digits' is not supported"),
    (
      #"{"pre_tokenizer": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "some"}}"#,
      "'pre_tokenizer.prepend_scheme'"
    ),
    (
      #"{"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Punctuation"}]}}"#,
      "'pre_tokenizer.pretokenizers.0.type'"
    ),
    (#"{"post_processor": {"type": "ByteLevel"}}"#, "'post_processor.type'"),
    (#"{"model": {"type": "BPE"}}"#, "'model.type': 'BPE' is not 'Unigram'"),
    (#"{"model": {"type": "Unigram", "vocab": [["a", 0]], "unk_id": 3}}"#, "'model.unk_id'"),
    (#"{"model": {"type": "Unigram", "vocab": [["a"]], "unk_id": 0}}"#, "'model.vocab.0'"),
    (#"{"model": {"type": "Unigram", "vocab": [["a", 0]], "unk_id": 0}}"#, "'<pad>' has another"),
    (#"{"added_tokens": [{"id": 7, "content": "</s>"}]}"#, "'</s>' has another token's id, 7"),
    (#"{"tokens": []}"#, "unknown key 'tokens'"),
    (#"{"truncation": {"direction": "Left"}}"#, "'truncation.direction': 'Left' is not supported"),
    (#"{"padding": {"direction": "Left"}}"#, "'padding.direction': 'Left' is not supported"),
  ])
  func `an unsupported tokenizer file is refused`(json: String, message: String) throws {
    let members = try #require(
      try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    try withTokenizer(replacing: withoutTable.merging(members) { $1 }) { try refuses($0, message) }
  }

  @Test(arguments: [
    (#"{"tokenizer_class": "CLIPTokenizer"}"#, "describes a CLIPTokenizer"),
    (#"{"vocabulary_of_mine": 3}"#, "unknown key 'vocabulary_of_mine'"),
    (#"{"padding_side": "left"}"#, "'padding_side'"),
    (#"{"add_prefix_space": false}"#, "'add_prefix_space'"),
    (#"{"pad_token": "<no such token>"}"#, "no token '<no such token>'"),
    (#"{"added_tokens_decoder": {"one": "</s>"}}"#, "'added_tokens_decoder.one'"),
  ])
  func `an unsupported configuration is refused`(json: String, message: String) throws {
    try withTokenizer(replacing: withoutTable, configuration: json) { try refuses($0, message) }
  }

  /// The keys of the published folders of Stable Diffusion 3.5.
  @Test func `the configuration's flags have precedence, and every published key is known`() throws
  {
    let json = #"""
      {"add_prefix_space": true, "added_tokens_decoder": {
        "1": {"content": "</s>", "lstrip": false, "normalized": false, "rstrip": false,
          "single_word": false, "special": true},
        "908": {"content": "<extra_id_0>", "lstrip": true, "normalized": false, "rstrip": true,
          "single_word": false, "special": true}},
       "additional_special_tokens": ["<extra_id_0>", "<extra_id_1>"],
       "clean_up_tokenization_spaces": true, "eos_token": "</s>", "extra_ids": 100,
       "legacy": true, "model_max_length": 512, "pad_token": "<pad>", "sp_model_kwargs": {},
       "tokenizer_class": "T5Tokenizer", "unk_token": "<unk>"}
      """#
    try withTokenizer(configuration: json) { folder in
      let map = #"{"eos_token": {"content": "</s>", "lstrip": false, "normalized": false}}"#
      try Data(map.utf8).write(to: URL(fileURLWithPath: "\(folder)/special_tokens_map.json"))
      let tokenizer = try T5Tokenizer(folder: folder)
      #expect(tokenizer.encode("  <extra_id_0>  </s>") == [908, 1, 1])
    }
  }

  @Test func `a folder with only SentencePiece's file is an error with a remedy`() throws {
    try withTemporaryFolder { folder in
      for name in ["tokenizer_config.json", "spiece.model"] {
        try Data("{}".utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
      }
      try refuses(folder, "save the tokenizer with transformers")
    }
  }

  /// Reading the table takes the most time, so it is left out.
  private let withoutTable = ["normalizer": NSNull()] as [String: Any]

  private func refuses(_ folder: String, _ message: String) throws {
    let error = #expect(throws: TokenizerError.self) { try T5Tokenizer(folder: folder) }
    let description = try #require(error).description
    #expect(description.contains(message), "\(description)")
  }

  private func object(_ path: String) throws -> Any {
    try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path)))
  }

  /// Runs `body` on a copy of the fixture with another configuration, or with other members of
  /// tokenizer.json: `TABLE` is replaced by its table of replacements, and `byte_fallback` adds the
  /// tokens of all bytes.
  private func withTokenizer<Result>(
    replacing members: [String: Any] = [:], configuration: String? = nil,
    _ body: (String) throws -> Result
  ) throws -> Result {
    var file = try #require(try object("\(folder)/tokenizer.json") as? [String: Any])
    let table = try #require((file["normalizer"] as? [String: Any])?["precompiled_charsmap"])
    file.merge(members) { $1 }
    if file.removeValue(forKey: "byte_fallback") != nil {
      var model = try #require(file["model"] as? [String: Any])
      var vocabulary = try #require(model["vocab"] as? [Any])
      for byte in 0..<256 { vocabulary.append([String(format: "<0x%02X>", byte), 0.0] as [Any]) }
      model["vocab"] = vocabulary
      model["byte_fallback"] = true
      file["model"] = model
    }
    let text = String(
      decoding: try JSONSerialization.data(withJSONObject: file), as: UTF8.self)
    let source = URL(fileURLWithPath: "\(folder)/tokenizer_config.json")
    return try withTemporaryFolder { folder in
      try Data(text.replacing("\"TABLE\"", with: "\"\(table)\"").utf8)
        .write(to: URL(fileURLWithPath: "\(folder)/tokenizer.json"))
      let contents = try configuration.map { Data($0.utf8) } ?? Data(contentsOf: source)
      try contents.write(to: URL(fileURLWithPath: "\(folder)/tokenizer_config.json"))
      return try body(folder)
    }
  }
}
