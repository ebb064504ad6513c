import Foundations
import ImageFiles
import Rewards
import Testing

@Suite struct GenEvalPromptTests {
  private func read(_ text: String) throws -> GenEvalPrompt {
    let members = try #require(try JSONParser.parse(Array(text.utf8)[...]).members)
    return try GenEvalPrompt(
      Dictionary(uniqueKeysWithValues: members.map { ($0.key, $0.value) }))
  }

  @Test func `tag, objects, colors, positions and limits are read`() throws {
    let position = try read(
      #"""
      {"tag": "position", "include": [{"class": "dog", "count": 1},
        {"class": "wine glass", "count": 1, "position": ["left of", 0]}], "prompt": "x"}
      """#)
    #expect(
      position
        == GenEvalPrompt(
          tag: "position",
          include: [.init("dog"), .init("wine glass", position: .init(.leftOf, 0))]))
    let counting = try read(
      #"""
      {"tag": "counting", "include": [{"class": "dog", "count": 3, "color": "red"}],
        "exclude": [{"class": "dog", "count": 4}]}
      """#)
    #expect(
      counting
        == GenEvalPrompt(
          tag: "counting", include: [.init("dog", count: 3, color: "red")],
          exclude: [.init("dog", count: 4)]))
  }

  @Test(arguments: [
    ("{}", "tag is missing"),
    (#"{"tag": "colors"}"#, "include is missing or empty"),
    (#"{"tag": "colors", "include": []}"#, "include is missing or empty"),
    (#"{"tag": "colors", "include": [{"count": 1}]}"#, "include[0].class is missing"),
    (
      #"{"tag": "c", "include": [{"class": "a", "count": 0}]}"#,
      "include[0].count is no number above 0"
    ),
    (
      #"{"tag": "c", "include": [{"class": "a", "count": 1, "color": 3}]}"#,
      "include[0].color is no text"
    ),
    (
      #"{"tag": "c", "include": [{"class": "a", "count": 1, "position": ["left of", 0]}]}"#,
      "include[0].position names no earlier entry of include"
    ),
    (
      #"""
      {"tag": "c", "include": [{"class": "a", "count": 1},
        {"class": "b", "count": 1, "position": ["near", 0]}]}
      """#,
      "include[1].position is not one of left of, right of, above, below with an index"
    ),
    (
      #"{"tag": "c", "include": [{"class": "a", "count": 1}, {"class": "a", "count": 1}]}"#,
      "include[1].class is a again"
    ),
    (
      #"{"tag": "c", "include": [{"class": "a", "count": 1}], "exclude": [{"class": "b"}]}"#,
      "exclude[0].count is no number above 0"
    ),
    (
      #"{"tag": "c", "include": [{"class": "a", "count": 1}], "exclude": {"class": "a"}}"#,
      #"exclude is no list; write [{"class": "dog", "count": 1}]"#
    ),
    (
      #"{"tag": "c", "include": [{"class": "a", "count": 1, "colour": "red"}]}"#,
      #"include[0] has the key "colour"; there is class, count, color, position"#
    ),
    (#"{"tag": "c", "include": ["a"]}"#, "include[0] is no object"),
    (
      #"{"tag": "c", "include": {"class": "a", "count": 1}}"#,
      #"include is no list; write [{"class": "dog", "count": 1}]"#
    ),
  ])
  func `metadata that cannot be judged is refused with its key`(_ line: String, _ reason: String) {
    let fault = #expect(throws: GenEvalPrompt.Fault.self) { try read(line) }
    #expect(fault?.reason == reason)
  }
}
