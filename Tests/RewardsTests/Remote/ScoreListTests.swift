import Foundations
import Rewards
import TestSupport
import Testing

/// The list of numbers in an answer of EditScore's form.
@Suite struct ScoreListTests {
  private func list(_ text: String, cut: Bool = false) -> [Double]? {
    ChatAnswer([
      "message": ["content": .string(text)], "finish_reason": cut ? "length" : "stop",
    ]).scoreList(count: 2, in: 0...25)
  }

  @Test(arguments: [
    #"{"reasoning": "good", "score": [20, 22]}"#, #"{"score": [20, 22], "reasoning": "good"}"#,
    #"{"reasoning" : "good",\#n"score" : [ 20.0 , 2.2e1 ]\#n}"#,
    "```json\n{\"score\": [20, 22]}\n```",
    "Here it is:\n```\n{\"score\": [20, 22]}\n```\nGood luck.",
    #"The edit {is} good. {"score": [20, 22]} So there."#,
    #"{"score": [20, 22,],}"#, #"{"reasoning": "the "new" sky", "score": [20, 22]}"#,
    "{\"reasoning\": \"two\nlines\", \"score\": [20, 22]}", "{'score': [20, 22]}",
    "{score: [20, 22]}", "{“score”: [20, 22]}", "**score**: [20, 22]", "output score = [20, 22]",
    #"{"SCORE": [20, 22]}"#, "[20, 22]", " ```json\n[20, 22]\n```\n", "score：[20, 22]",
    #"{"score": [20, 22]"#, #"<think>"score": [1, 2]</think>{"score": [20, 22]}"#,
    #"The form is {"score": [1, 2]}. {"score": [20, 22]}"#,
    #"{"score": [20, 22], "reasoning": "not score: [1, 2]"}"#, #"{"result": {"score": [20, 22]}}"#,
  ])
  func `a list of two numbers is read in every wrapping`(text: String) {
    #expect(list(text) == [20, 22])
  }

  @Test(arguments: [
    #"{"score": [20]}"#, #"{"score": [20, 22, 24]}"#, #"{"score": []}"#, #"{"score": 20}"#,
    #"{"score": [20, 26]}"#, #"{"score": [-1, 22]}"#, #"{"score": [20, 25.01]}"#,
    #"{"score": [20, NaN]}"#, #"{"score": [20, Infinity]}"#, #"{"score": [20, null]}"#,
    #"{"score": [20, true]}"#, #"{"score": ["20", "22"]}"#, "{'score': ['20', 22]}",
    #"{"score": "[20, 22]", "reasoning": "a"}"#, #"{'score': "[20, 22]"}"#,
    #"{"score": [20/25, 22/25]}"#,
    #"{"score": [[20, 22]]}"#, #"{"score": [20 22]}"#, #"{"score": [2 0, 22]}"#,
    #"{"score": [20,, 22]}"#, #"{"score": [20-21, 22]}"#, #"{"score": [1e999, 22]}"#,
    #"{"score": {"success": 20, "restraint": 22}}"#, #"{"score1": 20, "score2": 22}"#,
    #"{"subscore": [20, 22]}"#, #"{"sc_score": [20, 22]}"#, "20, 22", "I would say [20, 22].",
    "<think>[20, 22]", #"<think>{"score": [20, 22]}</think>"#, "I cannot assist with that.", "",
    #"{"score": [20, 22}"#, #"{"score": [٢٠, 22]}"#,
    #"The form is {"score": [1, 2]}. {"score": [20]}"#,
  ])
  func `anything else is no score`(text: String) {
    #expect(list(text) == nil)
  }

  @Test(
    arguments: [
      (#"{"reasoning": "good", "score": [20, 2"#, nil),
      (#"{"reasoning": "good", "score": [20"#, nil),
      (#"The form is {"score": [1, 2]}. {"score": [20, 2"#, nil), (#"{"reasoning": "go"#, nil),
      (#"{"score": [20, 22], "reasoning": "go"#, [20, 22]),
    ] as [(String, [Double]?)])
  func `a list that is cut off is no score, and an earlier one is none either`(
    text: String, scores: [Double]?
  ) {
    #expect(list(text, cut: true) == scores)
  }

  @Test func `no damaged answer ends the program or gives a number out of range`() {
    var mixer = Mutations(seed: 5)
    let answers = [
      #"{"reasoning": "a {good} "edit"", "score": [20, 22.5]}"#, "```json\n[20, 2e1]\n```",
      #"<think>no</think> output score = [0, 25,]"#,
    ]
    var read = 0
    for answer in answers {
      for _ in 0..<500 {
        let text = String(decoding: mixer.mutated(Array(answer.utf8)), as: UTF8.self)
        guard let scores = list(text, cut: mixer.next(2) == 0) else { continue }
        #expect(scores.count == 2 && scores.allSatisfy((0...25).contains), "\(text)")
        read += 1
      }
    }
    #expect(read > 100)
  }
}
