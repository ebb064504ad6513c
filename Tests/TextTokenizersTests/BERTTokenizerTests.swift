import Foundation
import TestSupport
import Testing
import TextTokenizers

@Suite struct BERTTokenizerTests {
  private let folder = fixture("tokenizers/bert")

  @Test func `ids equal those of transformers`() throws {
    let tokenizer = try BERTTokenizer(folder: folder, adding: ["[DEC]", "[ENC]"])
    try AwkwardTexts().check(folder: folder, tokenizer.encode)
    try checkIDs(folder: folder, tokenizer.encode)
    #expect(tokenizer.vocabularyCount == 669)
  }

  @Test func `a prompt is truncated before its end token, or padded after it`() throws {
    let tokenizer = try BERTTokenizer(folder: folder)
    let ids = tokenizer.encode("a photo of a red circle")
    #expect(tokenizer.padded(ids, to: 5) == ids.prefix(4) + [4])
    #expect(tokenizer.padded(tokenizer.encode(""), to: 4) == [3, 4, 0, 0])
    #expect(tokenizer.padID == 0)
  }

  @Test(arguments: [
    ("[PAD]\n[UNK]\n[CLS]\n[SEP]\n", "no token '[MASK]'"),
    ("[PAD]\n[UNK]\na\na\n", "line 4: 'a' is a duplicate"),
  ])
  func `an invalid vocabulary is refused`(text: String, reason: String) throws {
    try withTemporaryFolder { copy in
      try text.write(toFile: "\(copy)/vocab.txt", atomically: true, encoding: .utf8)
      let error = #expect(throws: TokenizerError.self) { try BERTTokenizer(folder: copy) }
      #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
    }
  }
}
