import Foundation
import TestSupport
import Testing
import TextTokenizers

@Suite struct CLIPTokenizerTests {
  private struct Case: Decodable {
    let text: String
    let ids: [Int]
    let padded: [Int]
  }

  @Test(arguments: ["clip", "clip-pad", "saved", "trained"])
  func `ids equal those of transformers`(name: String) throws {
    let folder = fixture("tokenizers/\(name)")
    let tokenizer = try CLIPTokenizer(folder: folder)
    let cases = try decoded([Case].self, "\(folder)/ids.json")
    #expect(cases.count > 25)
    for given in cases {
      #expect(tokenizer.encode(given.text) == given.ids, "\(given.text.debugDescription)")
      #expect(tokenizer.encodePadded(given.text) == given.padded, "\(given.text.debugDescription)")
    }
  }

  @Test(arguments: ["clip", "clip-pad"])
  func `ids of awkward texts equal those of transformers`(name: String) throws {
    let folder = fixture("tokenizers/\(name)")
    let tokenizer = try CLIPTokenizer(folder: folder)
    try AwkwardTexts().check(folder: folder, tokenizer.encode)
    for text in try AwkwardTexts().texts where text.utf8.count < 1000 {
      let ids = tokenizer.encode(text)
      let cut = ids.count <= 8 ? ids : ids.prefix(7) + [tokenizer.endID]
      let padding = [Int](repeating: tokenizer.padID, count: 8 - cut.count)
      #expect(tokenizer.encodePadded(text, to: 8) == cut + padding, "\(text.prefix(9))")
    }
  }

  /// NFC by Python's `unicodedata` (3.11), beside what Foundation's tables on Linux make of it.
  @Test(arguments: [
    ("\u{1100}\u{1176}", "\u{1100}\u{1176}", "\u{AE4C}"),
    ("\u{1100}\u{1161}\u{11A7}", "\u{AC00}\u{11A7}", "\u{AC00}"),
    ("\u{1100}\u{1161}\u{11C3}", "\u{AC00}\u{11C3}", "\u{AC1C}"),
    ("\u{CCA}\u{CD5}", "\u{CCB}", "\u{CCA}"),
    ("\u{1100}\u{1161}\u{11A8}", "\u{AC01}", "\u{AC00}"),
    (
      "a" + String(repeating: "\u{301}", count: 63) + "\u{340}",
      "\u{E1}" + String(repeating: "\u{301}", count: 62) + "\u{300}",
      "\u{E1}" + String(repeating: "\u{301}", count: 62)
    ),
  ])
  func `texts are composed by Unicode's rules`(_ text: String, _ composed: String, _ wrong: String)
    throws
  {
    let tokenizer = try CLIPTokenizer(folder: fixture("tokenizers/clip"))
    #expect(tokenizer.encode(text) == tokenizer.encode(composed))
    #expect(tokenizer.encode(text) != tokenizer.encode(wrong))
  }

  @Test func `training reproduces the committed files, byte for byte`() throws {
    let corpus = try decoded([String].self, fixture("tokenizers/corpus.json"))
    let vocabulary = try BytePairVocabulary.train(on: corpus, mergeLimit: 200)
    let tokenizer = try CLIPTokenizer(vocabulary: vocabulary, modelMaxLength: 16)
    try withTemporaryFolder { folder in
      try tokenizer.write(to: folder)
      for file in [
        "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json",
      ] {
        let written = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(file)"))
        let expected = try Data(
          contentsOf: URL(fileURLWithPath: fixture("tokenizers/trained/\(file)")))
        #expect(written == expected, "\(file)")
      }
    }
  }

  @Test func `after complete training every word is one token`() throws {
    let texts = ["a red circle", "two red circles", "a blue square"]
    let vocabulary = try BytePairVocabulary.train(on: texts, mergeLimit: 1000)
    let tokenizer = try CLIPTokenizer(vocabulary: vocabulary, modelMaxLength: 8)
    #expect(tokenizer.encode("two blue circles").count == 5)
    #expect(tokenizer.encodePadded("a red square").count == 8)
    #expect(vocabulary.count < 560)
  }

  @Test func `a long prompt is truncated before its end token`() throws {
    let tokenizer = try CLIPTokenizer(folder: fixture("tokenizers/clip"))
    let ids = tokenizer.encodePadded(String(repeating: "circle ", count: 50))
    #expect(ids.count == tokenizer.modelMaxLength)
    #expect(ids.first == tokenizer.startID)
    #expect(ids.last == tokenizer.endID)
  }
}
