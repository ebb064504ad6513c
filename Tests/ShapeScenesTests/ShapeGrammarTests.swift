import Foundation
import ShapeScenes
import Testing

@Suite struct ShapeGrammarTests {
  @Test func `the committed prompt files are what the grammar writes`() throws {
    let (training, heldOut) = ShapeGrammar.prompts()
    let folder = promptFolder()
    if ProcessInfo.processInfo.environment["TEMPFLOW_WRITE_PROMPTS"] != nil {
      try ShapeGrammar.write(to: folder)
    }
    #expect(try PromptFile.read(folder + "/train.jsonl") == training)
    #expect(try PromptFile.read(folder + "/held-out.jsonl") == heldOut)
  }
}

/// The folder of the committed prompts.
func promptFolder(_ file: String = #filePath) -> String {
  URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Prompts/shapes").path
}
