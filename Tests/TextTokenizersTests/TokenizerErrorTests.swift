import Foundation
import TestSupport
import Testing
import TextTokenizers

@Suite struct TokenizerErrorTests {
  @Test func `a missing file is named`() {
    let error = #expect(throws: TokenizerError.self) {
      try CLIPTokenizer(folder: "/nowhere")
    }
    guard case .unreadable(let path, _) = error else {
      Issue.record("unexpected \(String(describing: error))")
      return
    }
    #expect(path == "/nowhere/tokenizer_config.json")
  }

  @Test(arguments: [
    (#"{"tokenizer_class": "T5Tokenizer"}"#, "describes a T5Tokenizer"),
    (#"{"vocabulary_of_mine": 3}"#, "unknown key 'vocabulary_of_mine'"),
    (#"{"do_lower_case": false}"#, "'do_lower_case'"),
    (#"{"add_prefix_space": true}"#, "'add_prefix_space'"),
    (#"{"pad_token": {"content": "!", "bold": true}}"#, "'pad_token.bold'"),
    (#"{"pad_token": "<|no such token|>"}"#, "no token '<|no such token|>'"),
    (#"{"model_max_length": "long"}"#, "model_max_length"),
  ])
  func `an unsupported configuration is refused`(text: String, message: String) throws {
    try withTokenizer(["tokenizer_config.json": text]) { folder in
      let error = #expect(throws: TokenizerError.self) { try CLIPTokenizer(folder: folder) }
      let description = try #require(error).description
      #expect(description.contains(message))
    }
  }

  @Test(arguments: [
    ("vocab.json", #"{"a": 0, "a": 1}"#), ("vocab.json", #"{"a": 1}"#), ("vocab.json", "[]"),
    ("vocab.json", #"{"a": 0"#), ("vocab.json", #"{"a": 0} x"#), ("vocab.json", #"{"\ud800": 0}"#),
    ("merges.txt", "a b c\n"), ("merges.txt", "q zz\n"),
  ])
  func `damaged files are refused`(file: String, text: String) throws {
    try withTokenizer([file: text]) { folder in
      #expect(throws: TokenizerError.self) { try CLIPTokenizer(folder: folder) }
    }
  }

  @Test(arguments: [
    ("\"NFC\"", "\"NFKC\"", "'normalizer'"), ("[\\\\p{N}]|", "[\\\\p{N}]+|", "'pre_tokenizer'"),
    ("\"BPE\"", "\"Unigram\"", "'model.type'"), ("\"merges\"", "\"merge\"", "'model.merges'"),
  ])
  func `a tokenizer file with another scheme is refused`(
    found: String, replacement: String, key: String
  ) throws {
    let saved = fixture("tokenizers/saved")
    let text = try String(contentsOfFile: "\(saved)/tokenizer.json", encoding: .utf8)
    try #require(text.contains(found))
    try withTemporaryFolder { folder in
      try FileManager.default.copyItem(
        atPath: "\(saved)/tokenizer_config.json", toPath: "\(folder)/tokenizer_config.json")
      try Data(text.replacing(found, with: replacement).utf8)
        .write(to: URL(fileURLWithPath: "\(folder)/tokenizer.json"))
      let error = #expect(throws: TokenizerError.self) { try CLIPTokenizer(folder: folder) }
      let description = try #require(error).description
      #expect(description.contains(key))
    }
  }

  @Test func `canonically equivalent tokens are different tokens`() throws {
    let vocabulary =
      "{\"e\\u0301\": 0, \"\u{E9}\": 1, \"<|startoftext|>\": 2, "
      + "\"<|endoftext|>\": 3}"
    try withTokenizer(["vocab.json": vocabulary, "merges.txt": "#version: 0.2\n"]) { folder in
      let tokenizer = try CLIPTokenizer(folder: folder)
      #expect(tokenizer.vocabulary.id("e\u{301}") == 0)
      #expect(tokenizer.vocabulary.id("\u{E9}") == 1)
    }
  }

  /// Runs `body` on a copy of a good tokenizer with some files replaced.
  private func withTokenizer(_ files: [String: String], _ body: (String) throws -> Void) throws {
    try withTemporaryFolder { folder in
      for name in ["vocab.json", "merges.txt", "tokenizer_config.json"] {
        let target = URL(fileURLWithPath: "\(folder)/\(name)")
        if let text = files[name] {
          try Data(text.utf8).write(to: target)
        } else {
          try FileManager.default.copyItem(
            at: URL(fileURLWithPath: fixture("tokenizers/clip/\(name)")), to: target)
        }
      }
      try body(folder)
    }
  }
}
