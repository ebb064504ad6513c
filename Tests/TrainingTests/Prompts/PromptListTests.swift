import Foundation
import Foundations
import Rewards
import ShapeScenes
import TestSupport
import Testing
import Training

@Suite struct PromptListTests {
  private func read(
    _ text: String, name: String = "prompts.txt", for rewards: [any RewardFactory] = []
  ) throws -> [Prompt] {
    try withTemporaryFolder { folder in
      let path = "\(folder)/\(name)"
      try Data(text.utf8).write(to: URL(filePath: path))
      return try PromptList.read(path, for: rewards.map(RewardEntry.init))
    }
  }

  private func problem(
    _ text: String, name: String = "prompts.jsonl", for rewards: [any RewardFactory] = []
  ) -> String? {
    #expect(throws: TrainingError.self) { try read(text, name: name, for: rewards) }?.description
  }

  @Test func `a text file has one prompt a line, and white space is trimmed`() throws {
    let prompts = try read("a fox \r\n\n  a \"red\" door\n\u{85B}\u{2028}b\nlast")
    #expect(prompts.map(\.text) == ["a fox", "a \"red\" door", "\u{85B}\u{2028}b", "last"])
    #expect(prompts.allSatisfy { $0.tag == nil })
  }

  @Test func `a JSON line may hold a tag and metadata for rewards`() throws {
    let prompts = try read(
      """
      {"tag": "counting", "include": [{"class": "wine glass", "count": 2}], "prompt": "two glasses"}

      {"prompt": "a fox"}
      """, name: "prompts.jsonl")
    #expect(prompts.map(\.text) == ["two glasses", "a fox"])
    #expect(prompts.map(\.tag) == ["counting", nil])
    #expect(
      prompts[0].metadata == [
        "tag": "counting", "prompt": "two glasses",
        "include": [["class": "wine glass", "count": 2]],
      ])
    #expect(prompts[1].metadata == ["prompt": "a fox"])
  }

  @Test func `for the shapes reward every line describes the objects of the image`() throws {
    let line = #"{"tag": "colors", "include": [{"class": "ring", "count": 1}], "prompt": "a ring"}"#
    let prompt = try #require(
      try read(line, name: "p.jsonl", for: [JPEGCompressibilityFactory(), ShapesFactory()]).first)
    #expect(try ScenePrompt(metadata: prompt.metadata).include == [.init(.ring)])
    #expect(prompt.metadata["include"] == [["class": "ring", "count": 1]])
    let reason = problem(
      line + "\n" + #"{"tag": "colors", "include": [{"class": "dog", "count": 1}], "prompt": "x"}"#,
      for: [ShapesFactory()])
    #expect(reason?.contains("prompts.jsonl:2: not a prompt of the shapes task") == true)
  }

  @Test func `a malformed prompt is an error with file and line`() {
    #expect(problem("{\"prompt\": \"a\"}\n[1]")?.contains("prompts.jsonl:2: not a prompt") == true)
    #expect(problem("{\"prompt\": 3}")?.contains("prompts.jsonl:1: not a prompt") == true)
    #expect(
      problem("{\"prompt\": \" \"}")?.contains("prompts.jsonl:1: the prompt is empty") == true)
    #expect(problem(" \n\n", name: "p.txt")?.contains("p.txt: holds no prompt") == true)
    let missing = #expect(throws: TrainingError.self) { try PromptList.read("nowhere/p.txt") }
    #expect(missing?.description.hasPrefix("nowhere/p.txt: cannot be read") == true)
  }
}
