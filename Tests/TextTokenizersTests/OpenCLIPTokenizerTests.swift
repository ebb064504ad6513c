import Foundation
import TestSupport
import Testing
import TextTokenizers

/// Cleaned texts and ids compared with hpsv2x and ftfy (`Tools/fixtures/open_clip_texts.py`).
@Suite struct OpenCLIPTokenizerTests {
  private struct Fixture: Decodable {
    let versions: [String: String]
    let cases: [Case]

    struct Case: Decodable {
      let kind: String
      let text: String
      let cleaned: String
      let digest: UInt64
    }
  }

  private func tokenizer(
    like reference: CLIPTokenizer.Reference = .openCLIP
  ) throws -> CLIPTokenizer {
    try CLIPTokenizer(folder: fixture("tokenizers/clip"), like: reference)
  }

  private func cleaned(_ text: String) -> String {
    String(OpenCLIPTextCleaning.cleaned(text))
  }

  @Test func `cleaned texts and ids of a thousand texts equal hpsv2x's`() throws {
    let fixture = try decoded(Fixture.self, fixture("tokenizers/open-clip.json"))
    #expect(fixture.versions["ftfy"] == "6.3.1")
    #expect(fixture.cases.count >= 1000)
    let damaged = fixture.cases.filter { $0.kind != "sound" && $0.kind != "special" }
    #expect(damaged.count { $0.text.lowercased() != $0.cleaned } >= 400)
    let tokenizer = try tokenizer()
    for given in fixture.cases {
      let found = cleaned(given.text)
      // Scalar by scalar, because canonically equivalent texts are equal with `==`.
      #expect(
        Array(found.unicodeScalars) == Array(given.cleaned.unicodeScalars),
        "\(given.kind): \(given.text.debugDescription)")
      let ids = tokenizer.encode(given.text)
      #expect(ids.first == tokenizer.startID && ids.last == tokenizer.endID)
      #expect(
        AwkwardTexts.digest(Array(ids.dropFirst().dropLast())) == given.digest,
        "\(given.kind): \(given.text.debugDescription)")
    }
  }

  @Test(arguments: [
    ("“It’s ﬁne”", "\"it's fine\""),
    ("ＷＩＤＥ　letters", "wide letters"),
    ("A &amp; B &eacute; &EACUTE; &#x2019;", "a & b é é '"),
    ("&amp;amp;lt;", "<"),
    ("<b>&lt;</b> &notit;", "<b><</b> ¬it;"),
    ("l\u{2019}Ã©tÃ© Ã  Paris", "l'été à paris"),
    ("â€œquotedâ€\u{9D}", "\"quoted\""),
    ("a\u{85}b \u{1B}[31mred\u{1B}[0m", "a…b red"),
    ("two\r\nlines\u{2028}more", "two lines more"),
    ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
  ])
  func `damage is repaired`(text: String, expected: String) {
    #expect(cleaned(text) == expected)
  }

  @Test func `only open_clip's special tokens are special, and only for its ids`() throws {
    let openCLIP = try tokenizer()
    let transformers = try tokenizer(like: .transformers)
    let (start, end) = (openCLIP.startID, openCLIP.endID)
    #expect(openCLIP.encode("<start_of_text> <END_OF_TEXT>") == [start, start, end, end])
    #expect(openCLIP.encode("<|endoftext|>").dropFirst().dropLast().contains(end) == false)
    #expect(transformers.encode("<|endoftext|>") == [start, end, end])
  }

  @Test func `transformers' ids keep typographic quotes`() throws {
    let (openCLIP, transformers) = (try tokenizer(), try tokenizer(like: .transformers))
    #expect(openCLIP.encode("“a cat”") == openCLIP.encode("\"a cat\""))
    #expect(transformers.encode("“a cat”") != transformers.encode("\"a cat\""))
    #expect(transformers.encode("a cat &amp; a dog") != transformers.encode("a cat & a dog"))
  }

  @Test func `lines are repaired separately, and from a line with HTML on references are kept`() {
    #expect(cleaned("Ã© &AMP;\nÐ¿Ñ€Ð¸Ð²ÐµÑ‚") == "é & привет")
    // `html.unescape` decodes the references that the repair keeps, except names in capitals.
    #expect(cleaned("&EACUTE;\n<i> &EACUTE;\n&EACUTE;") == "é <i> &eacute; &eacute;")
  }

  @Test func `a long damaged text is cleaned to its end`() {
    let text = String(repeating: "“Ã©tÃ©” &amp; ＡＢ ", count: 600)
    let expected = Array(repeating: "\"été\" & ab", count: 600).joined(separator: " ")
    #expect(cleaned(text) == expected)
  }
}
