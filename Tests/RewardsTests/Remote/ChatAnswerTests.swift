import Foundation
import Foundations
import Rewards
import TestSupport
import Testing

@Suite struct ChatAnswerTests {
  private let pattern: NSRegularExpression

  init() throws { pattern = try NSRegularExpression(pattern: ChatQuestion.scorePattern) }

  private func score(_ content: JSONValue, cut: Bool = false) -> Double? {
    ChatAnswer([
      "message": ["role": "assistant", "content": content],
      "finish_reason": cut ? "length" : "stop",
    ]).score(pattern: pattern)
  }

  @Test(arguments: [
    ("Score: 7", 7), ("Score: 7.25/10", 7.25), ("Score: -2", -2), ("**Score:** 7", 7),
    ("**Score**: 7", 7), ("Score: **7**", 7), ("**Score: 7**", 7), ("SCORE: 7.", 7),
    ("Score: 7, since the color is right.", 7), ("{\"score\": 7}", 7), ("Score：7", 7),
    ("Score: 1e-1", 0.1), ("The form is Score: 10. Score: 7 of 10", 7), ("Score: 7 - good", 7),
  ])
  func `a score is read in every markup`(text: String, score: Double) {
    #expect(self.score(.string(text)) == score)
  }

  @Test(arguments: [
    "Score: 7,5", "Score: 7.5.1", "Score: 7-8", "Score: 7–8", "Score: 7½",
    "Score: 1’000", "Score: 1 x 10^2", "Score: none", "Subscore: 7", "",
    "The Score: 10. Score: 7,5",
  ])
  func `a part of a number is no score, and an earlier number is none either`(text: String) {
    #expect(score(.string(text)) == nil)
  }

  @Test(arguments: [
    ("<think>Score: 2?</think>\nScore: 7", 7), ("no tag before Score: 2</think>Score: 7", 7),
    ("<think>a</think>Score: 7<think>Score: 9", 7), ("<think>a</think>Score: 6</think>Score: 7", 7),
    ("<THINK>Score: 2</THINK>Score: 7", 7), ("[THINK]Score: 2[/THINK]Score: 7", 7),
    ("◁think▷Score: 2◁/think▷Score: 7", 7), ("<think>Score: 2</think> I cannot say.", nil),
    ("<think>The form is Score: 10. Let me", nil), ("<thinking>Score: 10", nil),
    ("<think>a</think><think>Score: 10", nil),
  ] as [(String, Double?)])
  func `reasoning is no answer`(text: String, score: Double?) {
    #expect(self.score(.string(text)) == score)
    #expect(self.score(.string(text + " so"), cut: true) == score)
  }

  @Test(arguments: [
    ("Score: 1", nil), ("Score: 1.", nil), ("Score: 1,", nil), ("Score: 1e", nil),
    ("Score: 1 of 10, as", 1), ("**Score: 1**", 1),
  ] as [(String, Double?)])
  func `a number at the end of an answer that was cut off is no score`(
    text: String, score: Double?
  ) {
    #expect(self.score(.string(text), cut: true) == score)
  }

  @Test func `a list of parts is joined without its parts of reasoning`() {
    let parts: JSONValue = [
      ["type": "thinking", "thinking": "Score: 2"], ["type": "text", "text": "Score:"],
      ["type": "text", "text": " 7"], "/10",
    ]
    #expect(score(parts) == 7)
    #expect(score(.null) == nil)
    #expect(score(3) == nil)
  }

  @Test func `a number whose digits the pattern cuts is no score`() throws {
    let digit = try NSRegularExpression(pattern: #"(\d)/10"#)
    func score(_ text: String) -> Double? {
      ChatAnswer(["message": ["content": .string(text)]]).score(pattern: digit)
    }
    #expect(score("I say 7/10.") == 7)
    #expect(score("10/10") == nil && score("7.5/10") == nil && score("7/100") == 7)
  }

  @Test func `no damaged answer ends the program`() throws {
    var mixer = Mutations(seed: 3)
    let answers = [
      "<think>Score: 10</think>**Score:** 4.5e-1/5", "◁think▷Score: 1◁/think▷ Score: 4½ 1’000",
    ]
    for answer in answers {
      for _ in 0..<500 {
        let text = String(decoding: mixer.mutated(Array(answer.utf8)), as: UTF8.self)
        let found = score(.string(text), cut: mixer.next(2) == 0)
        #expect(found?.isFinite != false)
      }
    }
  }
}
