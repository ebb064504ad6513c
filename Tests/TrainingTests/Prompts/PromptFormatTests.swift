import Foundation
import Foundations
import Rewards
import ShapeScenes
import TestSupport
import Testing
import Training

/// The formats of prompt files, by content and by the ending of the file's name.
@Suite struct PromptFormatTests {
  private func read(
    _ text: String, _ name: String, for rewards: [any RewardFactory] = []
  ) throws -> [Prompt] {
    try withTemporaryFolder { folder in
      let path = "\(folder)/\(name)"
      try Data(text.utf8).write(to: URL(fileURLWithPath: path))
      for image in ["a.png", "b.png"] {
        try Data().write(to: URL(fileURLWithPath: "\(folder)/\(image)"))
      }
      let compares = rewards.contains { type(of: $0).sourceImages == .required }
      return try PromptList.read(
        path, for: rewards.map(RewardEntry.init), conditionImages: compares ? 0...1 : 0...0)
    }
  }

  private func problem(
    _ text: String, _ name: String, for rewards: [any RewardFactory] = []
  ) -> String {
    let error = #expect(throws: TrainingError.self) { try read(text, name, for: rewards) }
    return error?.description ?? ""
  }

  @Test(arguments: [
    ("Prompts,Category\n\"A red car.\",Colors\nTwo dogs,\n", "draw.csv"),
    ("Category,Prompt\r\nColors,A red car.\r\n\r\n,\"Two dogs\"\r\n", "draw.CSV"),
    (",prompt,text\n0,A red car.,x\n1,Two dogs,y", "pandas.csv"),
    ("\u{FEFF}caption\tkind\nA red car.\ta\nTwo dogs\tb\n", "coco.tsv"),
    ("[\"A red car.\", \"Two dogs\"]", "list.json"),
    ("[\n  \"A red car.\",\n  {\"prompt\": \"Two dogs\"}\n]\n", "list.json"),
    ("[\"A red car.\", \"Two dogs\"]", "list.txt"),
    ("{\"prompt\": \"A red car.\", \"tag\": \"x\"}\n{\"Caption\": \"Two dogs\"}\n", "lines.json"),
    ("{\"text\": \"A red car.\"}\n\n\"Two dogs\"\n", "lines.jsonl"),
    ("{\"prompt\": \"A red car.\"}\n{\"prompt\": \"Two dogs\"}\n", "lines.txt"),
    ("\u{FEFF}A red car.\r\nTwo dogs\n", "lines.txt"),
    ("A red car.\nTwo dogs\n", "prompts"),
  ])
  func `the same prompts are read from every format`(text: String, name: String) throws {
    #expect(try read(text, name).map(\.text) == ["A red car.", "Two dogs"])
  }

  @Test func `the columns of a table are metadata for rewards`() throws {
    let rows = try read(
      "Prompts,Category,Tag\n\"A \"\"red\"\", shiny\ncar\",Colors,c\na sign says \"hi\",,\n",
      "a.csv")
    #expect(rows.map(\.text) == ["A \"red\", shiny\ncar", "a sign says \"hi\""])
    #expect(rows.map(\.tag) == ["c", nil])
    #expect(
      rows[0].metadata == [
        "prompt": "A \"red\", shiny\ncar", "Category": "Colors", "tag": "c",
      ])
    #expect(rows[1].metadata == ["prompt": "a sign says \"hi\""])
    #expect(try read("[{\"Caption\": \"a\", \"x\": 1}]", "a.json")[0].metadata["prompt"] == "a")
  }

  @Test(arguments: [
    ("Prompts,Category\na fox,x\n", "a.txt", "a.txt:1: found \"Prompts,Category\", which may be"),
    ("prompt\na fox\n", "a.txt", "a.txt:1: found \"prompt\", which may be a table's heading"),
    ("a fox\n{\"prompt\": \"b\"}\n", "a.txt", "a.txt:2: found JSON among lines of text"),
    ("[\n  \"a fox\",\n  \"b\"\n", "a.txt", "a.txt:1: found JSON among lines of text"),
    ("\"a fox\",\n\"b\"\n", "a.txt", "a.txt:1: found every line in quotes"),
    ("[\n  \"a fox\",\n  3\n]", "a.json", "a.json:3: not a prompt"),
    ("[\n  \"a fox\"\n  \"b\"\n]", "a.json", "a.json:3: not valid JSON (expected a comma or ])"),
    ("{\"prompts\": [\"a\"]}", "a.json", "a.json:1: not a prompt"),
    ("{\n\"prompt\": \"a\"\n}", "a.json", "a.json:1: not a prompt"),
    ("a fox\n", "a.json", "a.json:1: not a prompt"),
    ("[{\"caption\": \"a\", \"text\": \"b\"}]", "a.json", "caption and text could each be"),
    ("[{\"sentence\": \"a\"}]", "a.json", "there is no \"prompt\" among \"sentence\""),
    ("Sentence,Category\na,b\n", "a.csv", "a.csv:1: not a prompt: there is no \"prompt\" among"),
    ("a red fox\na blue fox\n", "a.csv", "a.csv:1: not a prompt: there is no \"prompt\" among"),
    ("prompt;tag\na;b\n", "a.csv", "a.csv:1: found one column, \"prompt;tag\"; values are"),
    ("prompt,tag\na,b\n", "a.tsv", "tabs in a .tsv file, not by ,"),
    ("prompt,tag\na fox, red,b\n", "a.csv", "a.csv:2: found 3 values for the 2 columns of line 1"),
    ("prompt\n\"a\nb\"\na, b\n", "a.csv", "a.csv:4: found 2 values for the 1 columns of line 1"),
    ("prompt\na\n\"b\nc\n", "a.csv", "a.csv:3: a quoted value without its closing quote"),
    ("prompt\n\"a\"b\n", "a.csv", "a.csv:2: found text after a closing quote"),
    ("prompt,Prompt\na,b\n", "a.csv", "prompt and Prompt could each be the prompt"),
    ("prompt,x,x\na,b,c\n", "a.csv", "column 3 is \"x\", which is there already"),
    ("prompt,x\n,b\n", "a.csv", "a.csv:2: the prompt is empty"),
    ("prompt\n", "a.csv", "a.csv: holds no prompt"), ("[]", "a.json", "a.json: holds no prompt"),
    ("- a fox\n- b\n", "a.yaml", "a.yaml: a .yaml file is not read as prompts"),
    ("a fox\rb\r", "a.txt", "a.txt:1: found lines that end with a carriage return alone"),
    ("a\u{0}b\n", "a.txt", "a.txt: cannot be read as UTF-8 text"),
  ])
  func `an ambiguous file is refused with file and line`(
    text: String, name: String, says: String
  ) {
    let problem = problem(text, name)
    #expect(problem.contains(says), "\(problem)")
  }

  @Test func `a prompt may resemble JSON or a table`() throws {
    let lines = [
      "[a fox] in {red|blue}", "text, neon", "{a} [b]", "\"OPEN\" on a door", "prompt, a fox",
    ]
    #expect(try read(lines.joined(separator: "\n"), "a.txt").map(\.text) == lines)
  }

  @Test func `a list and a table serve rewards that read metadata`() throws {
    let include = #""include": [{"class": "ring", "count": 1}]"#
    let object = #"{"tag": "colors", "prompt": "a ring", "# + include + "}"
    let prompt = try read("[\(object)]", "a.json", for: [ShapesFactory()])[0]
    #expect(try ScenePrompt(metadata: prompt.metadata).include == [.init(.ring)])
    let reason = problem("prompt\na ring\n", "a.csv", for: [ShapesFactory()])
    #expect(reason.contains("a.csv:2: not a prompt of the shapes task"), "\(reason)")
    let misspelled = object.replacing(#""count""#, with: #""colour": "red", "count""#)
    #expect(problem(misspelled, "a.jsonl", for: [ShapesFactory()]).contains(#"has the key "colour""#))
  }

  @Test(arguments: [
    (#"{"prompt": "a"}"#, "tag is missing"),
    (
      #"{"tag": "c", "prompt": "a", "include": [{"class": "x", "count": 1}], "exclude": {}}"#,
      "exclude is no list"
    ),
    (
      #"{"tag": "c", "prompt": "a", "include": [{"class": "x", "count": 1, "colour": "red"}]}"#,
      #"include[0] has the key "colour""#
    ),
  ])
  func `metadata that geneval cannot score is refused when the file is read`(
    line: String, says: String
  ) throws {
    let sound = #"{"tag": "c", "prompt": "a", "include": [{"class": "x", "count": 1}]}"#
    let reason = problem(sound + "\n" + line, "p.jsonl", for: [GenEvalFactory()])
    #expect(reason.contains("p.jsonl:2: not GenEval's metadata (\(says)"), "\(reason)")
    #expect(try read(sound + "\n" + line, "p.jsonl").count == 2, "another reward may read it")
  }

  @Test func `a line without a picture to edit is refused when the file is read`() throws {
    let editscore = EditScoreFactory(ServiceSettings(label: "editscore", urls: ["http://a"]))
    let sound = #"{"prompt": "a", "image": "a.png"}"#
    #expect(try read(sound, "p.jsonl", for: [editscore]).count == 1)
    for line in [#"{"prompt": "b"}"#, #"{"prompt": "b", "images": ["a.png", "b.png"]}"#] {
      let reason = problem(sound + "\n" + line, "p.jsonl", for: [editscore])
      #expect(reason.contains("p.jsonl:2: the reward editscore compares one picture"), "\(reason)")
    }
    let vlm = VLMFactory(ServiceSettings(label: "vlm", urls: ["http://a"]), prompt: "a")
    let reason = problem(#"{"prompt": "a", "requirement": 3}"#, "p.jsonl", for: [vlm])
    #expect(reason.contains("p.jsonl:1: requirement is 3"), "\(reason)")
  }

  @Test func `no damaged file ends the program`() throws {
    var mutations = Mutations(seed: 11)
    let files = [
      ("p.csv", "Prompts,Category,tag\r\n\"A \"\"red\"\" car, new\",Colors,x\r\nTwo dogs,,\r\n"),
      ("p.tsv", "\u{FEFF}prompt\tnote\nA red car\t\"a\nb\"\n"),
      ("p.json", #"["a", {"prompt": "é\n", "include": [{"class": "ring", "count": 1}]}]"#),
      ("p.jsonl", "{\"prompt\": \"a\", \"tag\": \"x\"}\n\"b\"\n"), ("p.txt", "a fox\n[b] {c}\n"),
    ]
    try withTemporaryFolder { folder in
      for (name, text) in files {
        for _ in 0..<300 {
          let path = "\(folder)/\(name)"
          try Data(mutations.mutated(Array(text.utf8))).write(to: URL(fileURLWithPath: path))
          do throws(TrainingError) {
            let rewards = mutations.next(2) == 0 ? [] : [RewardEntry(GenEvalFactory())]
            let prompts = try PromptList.read(path, for: rewards)
            #expect(!prompts.isEmpty && prompts.allSatisfy { !$0.text.isEmpty })
          } catch {
            #expect(error.description.hasPrefix(path), "\(error)")
          }
        }
      }
    }
  }
}
