import Foundation
import Foundations
import TestSupport
import Testing
import TextTokenizers

/// CLIP tokenizers with added tokens, in the file formats of three versions of transformers,
/// compared with its ids.
///
/// The fixture is written by `python Tools/fixtures/added_tokens.py`.
@Suite struct AddedTokenTests {
  private struct Case: Decodable {
    let name: String
    /// The folder whose files the case changes.
    let base: String
    let count: Int
    let pad: Int
    let ids: [[Int]]
  }

  private struct File: Decodable {
    let texts: [String]
    let cases: [Case]
  }

  private let path = fixture("tokenizers/added.json")

  @Test func `ids equal those of transformers`() throws {
    let file = try decoded(File.self, path)
    #expect(file.cases.count == 9 && file.texts.count > 30)
    for index in file.cases.indices {
      let given = file.cases[index]
      try withTokenizer(index) { folder in
        let tokenizer = try CLIPTokenizer(folder: folder)
        #expect(tokenizer.vocabularyCount == given.count, "\(given.name)")
        #expect(tokenizer.padID == given.pad, "\(given.name)")
        for (text, ids) in zip(file.texts, given.ids) {
          #expect(tokenizer.encode(text) == ids, "\(given.name): \(text.debugDescription)")
        }
        // A written tokenizer gives the same ids.
        try tokenizer.write(to: "\(folder)/copy")
        let copy = try CLIPTokenizer(folder: "\(folder)/copy")
        #expect(copy.vocabularyCount == given.count && copy.padID == given.pad)
        #expect(file.texts.map { copy.encode($0) } == given.ids, "\(given.name), written")
      }
    }
  }

  @Test(arguments: [
    (
      #"{"added_tokens_decoder": {"7": {"content": "<new>"}}}"#,
      "id 7, which belongs to another token"
    ),
    (#"{"added_tokens_decoder": {"625": {"content": "<new>"}}}"#, "leaves a gap"),
    (#"{"added_tokens_decoder": {"one": {"content": "<new>"}}}"#, "'added_tokens_decoder.one'"),
    (#"{"added_tokens_decoder": {"620": {"content": "<new>", "bold": true}}}"#, "'added_tok"),
    (#"{"added_tokens_decoder": {"620": {"content": 5}}}"#, "'added_tokens_decoder.620.content'"),
    (#"{"extra_special_tokens": {"one": "<a>", "two": "<b>"}}"#, "has 2 tokens"),
    (#"{"truncation_side": "left"}"#, "'truncation_side': 'left'"),
    (#"{"padding_side": "left"}"#, "'padding_side': 'left'"),
    (#"{"split_special_tokens": true}"#, "'split_special_tokens'"),
  ])
  func `unsupported settings are refused`(json: String, message: String) throws {
    try withFolder("clip") { folder in
      try Data(json.utf8).write(to: URL(filePath: "\(folder)/tokenizer_config.json"))
      let error = #expect(throws: TokenizerError.self) { try CLIPTokenizer(folder: folder) }
      #expect(error?.description.contains(message) == true, "\(String(describing: error))")
    }
  }

  @Test(arguments: ["truncation", "padding"])
  func `a saved side applies if the configuration has none`(key: String) throws {
    for (side, isKnown) in [("Right", true), ("Left", false)] {
      try withFolder("saved") { folder in
        try change("\(folder)/tokenizer.json", [key: ["direction": side]])
        let read = { try CLIPTokenizer(folder: folder) }
        if isKnown {
          _ = try read()
        } else {
          let error = #expect(throws: TokenizerError.self) { try read() }
          #expect(error?.description.contains("'\(key).direction': 'Left'") == true)
          try change("\(folder)/tokenizer_config.json", ["\(key)_side": "right"])
          _ = try read()
        }
      }
    }
  }

  @Test func `a Git LFS pointer in place of a file is an error with the command to run`() throws {
    let pointer = """
      version https://git-lfs.github.com/spec/v1
      oid sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
      size 3642240

      """
    for (base, file) in [("saved", "tokenizer.json"), ("clip", "merges.txt")] {
      try withFolder(base) { folder in
        try Data(pointer.utf8).write(to: URL(filePath: "\(folder)/\(file)"))
        let error = #expect(throws: TokenizerError.self) { try CLIPTokenizer(folder: folder) }
        let text = error?.description ?? ""
        #expect(text.contains(file) && text.contains("git lfs pull"), "\(text)")
      }
    }
  }

  @Test func `mutated files give a tokenizer or a typed error, never a crash`() throws {
    var random = SplitMix64(seed: 77)
    var accepted = 0
    for (index, files) in [
      (0, ["tokenizer_config.json"]), (3, ["added_tokens.json", "tokenizer_config.json"]),
      (4, ["special_tokens_map.json"]), (5, ["tokenizer.json", "tokenizer_config.json"]),
    ] {
      try withTokenizer(index) { folder in
        for file in files {
          let url = URL(filePath: "\(folder)/\(file)")
          let whole = try [UInt8](Data(contentsOf: url))
          for _ in 0..<60 {
            var bytes = whole
            for _ in 0...Int.random(in: 0..<3, using: &random) { mutate(&bytes, &random) }
            try Data(bytes).write(to: url)
            do throws(TokenizerError) {
              _ = try CLIPTokenizer(folder: folder).encodePadded("a <cat-toy> *s", to: 8)
              accepted += 1
            } catch {
              #expect(error.description.contains(folder))
            }
          }
          try Data(whole).write(to: url)
        }
      }
    }
    #expect(accepted > 0)
  }

  /// One random change.
  private func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
    guard bytes.count > 4 else { return }
    let position = Int.random(in: 0..<bytes.count, using: &random)
    switch Int.random(in: 0..<4, using: &random) {
    case 0: bytes[position] = UInt8.random(in: 0...255, using: &random)
    case 1: bytes.removeSubrange(position..<min(position + 9, bytes.count))
    case 2:
      // Digits: ids.
      let digits = bytes.indices.filter { (0x30...0x39).contains(bytes[$0]) }
      guard let digit = digits.randomElement(using: &random) else { return }
      bytes[digit] = UInt8.random(in: 0x30...0x39, using: &random)
    default:
      let tokens = ["9223372036854775807", "-1", "\"", "{", "null", "1e999", "\\ud800", "[", "{}"]
      guard let token = tokens.randomElement(using: &random) else { return }
      bytes.insert(contentsOf: token.utf8, at: position)
    }
  }

  // MARK: - Folders

  /// Runs `body` on the files of a case.
  private func withTokenizer(_ index: Int, _ body: (String) throws -> Void) throws {
    let contents = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: path)))
    let cases = try #require((contents as? [String: Any])?["cases"] as? [[String: Any]])
    let files = try #require(cases[index]["files"] as? [String: [String: Any]])
    try withFolder(try #require(cases[index]["base"] as? String)) { folder in
      for (file, members) in files { try change("\(folder)/\(file)", members) }
      try body(folder)
    }
  }

  /// Runs `body` on a copy of a fixture's folder.
  private func withFolder(_ base: String, _ body: (String) throws -> Void) throws {
    try withTemporaryFolder { folder in
      try FileManager.default.copyItem(
        atPath: fixture("tokenizers/\(base)"), toPath: "\(folder)/tokenizer")
      try body("\(folder)/tokenizer")
    }
  }

  /// Replaces members of a JSON file; null removes one. The file may be missing.
  private func change(_ path: String, _ members: [String: Any]) throws {
    let url = URL(filePath: path)
    var object: [String: Any] = [:]
    if FileManager.default.fileExists(atPath: path) {
      let contents = try JSONSerialization.jsonObject(with: Data(contentsOf: url))
      object = try #require(contents as? [String: Any])
    }
    for (key, value) in members { object[key] = value is NSNull ? nil : value }
    try JSONSerialization.data(withJSONObject: object).write(to: url)
  }
}
