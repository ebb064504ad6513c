import Foundation
import TestSupport
import Testing
import TextTokenizers

@Suite struct QwenTokenizerTests {
  private let folder = fixture("tokenizers/qwen")

  @Test(arguments: ["qwen", "qwen-saved"])
  func `ids equal those of transformers, from either set of files`(name: String) throws {
    let tokenizer = try QwenTokenizer(
      folder: fixture("tokenizers/\(name)"), adding: ["<|Reward|>", "<|im_end|>"])
    try AwkwardTexts().check(folder: folder, tokenizer.encode)
    try checkIDs(folder: folder, tokenizer.encode)
    #expect(tokenizer.vocabularyCount == 387)
    #expect(tokenizer.id(ofAdded: "<|Reward|>") == 386)
    #expect(tokenizer.id(ofAdded: "<|im_end|>") == 382)
    #expect(tokenizer.id(ofAdded: "<|vision|>") == nil)
  }

  @Test func `added tokens may be plain ones, as in the tokenizer of Qwen2.5-VL`() throws {
    let tokenizer = try QwenTokenizer(folder: fixture("qwen-text/published/tokenizer"))
    try AwkwardTexts().check(folder: fixture("qwen-text/published"), tokenizer.encode)
    let ids = try ["<tool_call>", "<|fim_pad|>", "<|im_end|>"].map {
      try #require(tokenizer.id(ofAdded: $0))
    }
    #expect(tokenizer.encode("<tool_call><|fim_pad|><|im_end|>") == ids)
    #expect(tokenizer.encode("<TOOL_CALL>").count > 1)
  }

  @Test(arguments: [
    (#"{"tokenizer_class": "CLIPTokenizer"}"#, "describes a CLIPTokenizer"),
    (#"{"add_prefix_space": true}"#, "'add_prefix_space': true is not supported"),
    (#"{"add_bos_token": true}"#, "'add_bos_token': true is not supported"),
    (#"{"split_special_tokens": true}"#, "'split_special_tokens': true is not supported"),
    (
      #"{"truncation_side": "left", "added_tokens_decoder": {}}"#,
      "'truncation_side': 'left' is not supported"
    ),
    (#"{"added_tokens_decoder": {"5": {"content": "<x>"}}}"#, "normalized text"),
    (#"{"added_tokens_decoder": {"5": {"content": "<x>", "special": true}}}"#, "another token's"),
    (#"{}"#, "tokenizer.json: cannot be read"),
  ])
  func `unsupported files are refused`(configuration: String, reason: String) throws {
    try withTemporaryFolder { copy in
      for file in ["vocab.json", "merges.txt"] {
        try FileManager.default.copyItem(atPath: "\(folder)/\(file)", toPath: "\(copy)/\(file)")
      }
      try configuration.write(
        toFile: "\(copy)/tokenizer_config.json", atomically: true, encoding: .utf8)
      let error = #expect(throws: TokenizerError.self) { try QwenTokenizer(folder: copy) }
      #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
    }
  }

  @Test(arguments: [
    (#"\\p{N}| ?"#, #"\\p{N}{1,3}| ?"#, "'pre_tokenizer': is not Qwen2's"),
    (
      #""truncation": null"#, #""truncation": {"direction": "Left"}"#,
      "'truncation.direction': 'Left' is not supported"
    ),
  ])
  func `a tokenizer file with another pre-tokenizer or side is refused`(
    found: String, replacement: String, reason: String
  ) throws {
    try withTemporaryFolder { copy in
      let saved = fixture("tokenizers/qwen-saved")
      let original = try String(contentsOfFile: "\(saved)/tokenizer.json", encoding: .utf8)
      try #require(original.contains(found))
      let text = original.replacing(found, with: replacement)
      try text.write(toFile: "\(copy)/tokenizer.json", atomically: true, encoding: .utf8)
      try FileManager.default.copyItem(
        atPath: "\(saved)/tokenizer_config.json", toPath: "\(copy)/tokenizer_config.json")
      let error = #expect(throws: TokenizerError.self) { try QwenTokenizer(folder: copy) }
      #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
    }
  }
}

/// A text and its ids.
private struct TextCase: Decodable {
  let text: String
  let ids: [Int]
}

/// Compares the ids of the texts in the folder's `ids.json`.
func checkIDs(folder: String, _ encode: (String) -> [Int]) throws {
  let cases = try decoded([TextCase].self, "\(folder)/ids.json")
  #expect(cases.count > 15)
  for given in cases {
    #expect(encode(given.text) == given.ids, "\(given.text.debugDescription)")
  }
}
