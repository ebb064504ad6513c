import Foundation
import TestSupport
import Testing
import TextTokenizers

@Suite struct T5TokenizerWritingTests {
  private let texts = [
    "a photo of a red circle", "two red circles, and a blue square", "a caf\u{E9} \u{2603}",
  ]

  private func trained() throws -> T5Tokenizer {
    try T5Tokenizer(trainedOn: texts, modelMaxLength: 16)
  }

  /// The ids are those of transformers 5.23.0 and 4.57.1, from the written folder.
  @Test(arguments: [
    ("", [1]), ("  ", [1]), ("a photo of a red circle", [3, 11, 10, 3, 4, 8, 1]),
    (" a  red\tcircle\n", [3, 4, 8, 1]),
    ("A Red Circle!", [15, 68, 15, 85, 17, 21, 15, 70, 24, 19, 18, 22, 17, 37, 1]),
    ("redcircles", [4, 18, 24, 19, 18, 22, 17, 25, 1]),
    ("two blue hexagons", [13, 6, 15, 30, 17, 105, 16, 100, 20, 31, 25, 1]), ("circles,", [9, 1]),
    ("caf\u{E9}s \u{2603}\u{2604}\u{2605}", [7, 25, 14, 2, 1]),
    ("cafe\u{301}", [15, 18, 16, 23, 17, 2, 1]), ("a red</s> <unk>", [3, 4, 1, 2, 1]),
    ("a\u{2581}red", [3, 4, 1]), ("\u{65E5}\u{672C} circle", [15, 2, 8, 1]),
  ])
  func `ids equal those of transformers`(text: String, ids: [Int]) throws {
    #expect(try trained().encode(text) == ids)
  }

  @Test func `a prompt is padded or truncated to a length as in transformers`() throws {
    let tokenizer = try trained()
    #expect(tokenizer.vocabularyCount == 112)
    #expect(tokenizer.endID == 1 && tokenizer.padID == 0)
    let prompt = "a photo of a red circle"
    #expect(tokenizer.encodePadded(prompt, to: 10) == [3, 11, 10, 3, 4, 8, 1, 0, 0, 0])
    #expect(tokenizer.encodePadded(prompt, to: 4) == [3, 11, 10, 1])
  }

  @Test func `ids are the same after writing and reading`() throws {
    let tokenizer = try trained()
    try withTemporaryFolder { folder in
      try tokenizer.write(to: "\(folder)/new/tokenizer")
      let read = try T5Tokenizer(folder: "\(folder)/new/tokenizer")
      #expect(read.vocabularyCount == tokenizer.vocabularyCount)
      for text in try AwkwardTexts().texts + texts {
        #expect(read.encode(text) == tokenizer.encode(text), "\(text.prefix(40).debugDescription)")
      }
    }
  }

  @Test func `the files of a folder are written as they were read`() throws {
    let source = fixture("tokenizers/t5")
    let map = Data(#"{"eos_token": "</s>"}"#.utf8)
    try withTemporaryFolder { folder in
      try FileManager.default.copyItem(atPath: source, toPath: "\(folder)/read")
      try map.write(to: URL(fileURLWithPath: "\(folder)/read/special_tokens_map.json"))
      try T5Tokenizer(folder: "\(folder)/read").write(to: "\(folder)/written")
      let names = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/written")
      let expected = ["special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"]
      #expect(names.sorted() == expected)
      for name in expected {
        let written = try bytes("\(folder)/written/\(name)")
        #expect(try written == bytes("\(folder)/read/\(name)"), "\(name)")
      }
    }
  }

  @Test func `the order of the texts does not change the files`() throws {
    let reversed = try T5Tokenizer(trainedOn: texts.reversed(), modelMaxLength: 16)
    try withTemporaryFolder { folder in
      try trained().write(to: "\(folder)/first")
      try reversed.write(to: "\(folder)/second")
      for name in ["tokenizer.json", "tokenizer_config.json"] {
        let first = try bytes("\(folder)/first/\(name)")
        #expect(try first == bytes("\(folder)/second/\(name)"), "\(name)")
      }
    }
  }

  @Test func `every word of the texts is one token, in the order of its frequency`() throws {
    let tokenizer = try trained()
    let words = Set(texts.flatMap { $0.split(separator: " ") })
    #expect(words.map { tokenizer.encode(String($0))[0] }.sorted() == Array(3..<3 + words.count))
    #expect(tokenizer.encode("a red \u{2603}") == [3, 4, 14, 1])
  }

  @Test(arguments: [[], ["a red circle"], ["\u{2581} \u{2581}\u{2581}", "</s> <unk>", "\u{0} x"]])
  func `no printable character of ASCII is unknown`(texts: [String]) throws {
    let tokenizer = try T5Tokenizer(trainedOn: texts, modelMaxLength: 16)
    let characters = (0x21...0x7E).compactMap { Unicode.Scalar(UInt8($0)) }
    for prompt in [characters.map { "\($0)" }, characters.map { "x\($0)" }].joined() {
      let ids = tokenizer.encode(prompt)
      #expect(!ids.contains(2) && ids.count <= 4, "\(prompt)")
    }
  }

  @Test func `a folder that cannot be made is an error with its path`() throws {
    try withTemporaryFolder { folder in
      try Data().write(to: URL(fileURLWithPath: "\(folder)/file"))
      let path = "\(folder)/file/tokenizer"
      let error = #expect(throws: TokenizerError.self) { try trained().write(to: path) }
      guard case .unwritable(path, _) = error else {
        Issue.record("unexpected \(String(describing: error))")
        return
      }
    }
  }

  @Test func `a file that cannot be replaced is an error with its path`() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/tokenizer.json"
      try FileManager.default.createDirectory(
        atPath: "\(path)/occupied", withIntermediateDirectories: true)
      let error = #expect(throws: TokenizerError.self) { try trained().write(to: folder) }
      guard case .unwritable(path, _) = error else {
        Issue.record("unexpected \(String(describing: error))")
        return
      }
    }
  }

  private func bytes(_ path: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: path))
  }
}
