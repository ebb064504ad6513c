import Foundation
import ShapeScenes
import TestSupport
import Testing

@Suite struct ShapeGrammarTests {
  private static let files = ShapeGrammar.prompts()
  private let training = files.training
  private let heldOut = files.heldOut
  private static let validation = ShapeGrammar.validation()
  private var validation: [ScenePrompt] { Self.validation }

  @Test(arguments: ["train.jsonl", "held-out.jsonl", "validation.jsonl"])
  func `the committed prompt files are byte for byte those of the grammar`(
    file: String
  ) throws {
    try withTemporaryFolder { folder in
      try ShapeGrammar.write(to: folder)
      let written = try Data(contentsOf: URL(fileURLWithPath: folder + "/" + file))
      let committed = try Data(contentsOf: URL(fileURLWithPath: promptFolder() + "/" + file))
      #expect(written == committed, "write Prompts/shapes anew with ShapeGrammar.write(to:)")
    }
  }

  @Test func `the committed files read back as the grammar's prompts`() throws {
    #expect(try PromptFile.read(promptFolder() + "/train.jsonl") == training)
    #expect(try PromptFile.read(promptFolder() + "/held-out.jsonl") == heldOut)
    #expect(try PromptFile.read(promptFolder() + "/validation.jsonl") == validation)
  }

  @Test func `no held-out text is a training text, and none is repeated`() {
    let texts = Set(heldOut.map(\.prompt))
    #expect(heldOut.count == 500)
    #expect(texts.count == 500)
    #expect(texts.isDisjoint(with: training.map(\.prompt)))
  }

  @Test
  func `every tag has the same number of training lines and a similar number of held-out ones`() {
    for tag in ScenePrompt.Tag.allCases {
      #expect(training.count { $0.tag == tag } == ShapeGrammar.trainingPerTag)
      let held = heldOut.count { $0.tag == tag }
      #expect(held == (tag == .singleObject ? 50 : 90))
    }
  }

  @Test func `validation texts are in no other file, are of the same tags, and use the same words`()
  {
    let texts = Set(validation.map(\.prompt))
    #expect(texts.count == 500)
    #expect(texts.isDisjoint(with: (training + heldOut).map(\.prompt)))
    for tag in ScenePrompt.Tag.allCases {
      #expect(validation.count { $0.tag == tag } == heldOut.count { $0.tag == tag })
    }
    let words = Set(validation.flatMap { $0.prompt.split(separator: " ").map(String.init) })
    #expect(words.isSubset(of: ShapeGrammar.vocabulary))
    #expect(validation.allSatisfy { $0.prompt.split(separator: " ").count <= 12 })
  }

  @Test func `there are several thousand training lines of thousands of texts`() {
    #expect(training.count == 6000)
    #expect(Set(training.map(\.prompt)).count == 2935)
  }

  @Test func `held-out combinations of shapes and colors are never trained in either order`() {
    func combinations(_ prompts: [ScenePrompt]) -> Set<Set<ScenePrompt.Requirement>> {
      Set(prompts.filter { $0.tag == .colorAttribution }.map { Set($0.include) })
    }
    #expect(combinations(heldOut).count == 90)
    #expect(combinations(heldOut).isDisjoint(with: combinations(training)))
    #expect(combinations(validation).count == 90)
    #expect(combinations(validation).isDisjoint(with: combinations(heldOut)))
  }

  @Test func `one text always has one meaning`() {
    var meanings: [String: [ScenePrompt.Requirement]] = [:]
    for prompt in training + heldOut + validation {
      #expect(meanings[prompt.prompt] ?? prompt.include == prompt.include)
      meanings[prompt.prompt] = prompt.include
    }
  }

  @Test func `counting prompts exclude one object more, and other prompts exclude nothing`() {
    for prompt in training + heldOut + validation {
      if prompt.tag == .counting {
        let wanted = prompt.include[0]
        #expect(prompt.exclude == [.init(wanted.shape, count: wanted.count + 1)])
        #expect((2...4).contains(wanted.count))
      } else {
        #expect(prompt.exclude == nil)
        #expect(prompt.include.allSatisfy { $0.count == 1 })
      }
    }
  }

  @Test func `the vocabulary is small, and no prompt has more than twelve words`() {
    #expect(
      ShapeGrammar.vocabulary.joined(separator: " ")
        == "a above an and below black blue circle circles cross crosses cyan drawing four green "
        + "image left magenta of on one photo picture red right ring rings square squares three "
        + "triangle triangles two white with yellow")
    let longest = (training + heldOut).map { $0.prompt.split(separator: " ").count }.max()
    #expect(longest == 12)
  }
}

/// The folder of the committed prompts.
func promptFolder(_ file: String = #filePath) -> String {
  URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Prompts/shapes").path
}
