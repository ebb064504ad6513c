import Foundation
import TestSupport
import Testing

/// Processes that differ from rank 0 are refused before they train.
@Suite(.serialized) struct JoinRefusalTests {
  private func refused(_ arguments: [String], _ task: SmallTask, _ run: String) throws -> String {
    let outcome = try task.train(2, run, extras: [1: .init(arguments: arguments)])
    #expect(outcome.statuses == [1, 1], "\(outcome.text)")
    #expect(outcome.count(of: "Error: ") == 1, "\(outcome.text)")
    #expect(outcome.errors[0].contains("compared with rank 0: rank 1 ("), "\(outcome.text)")
    return outcome.errors[0]
  }

  @Test func `another recipe, other prompts and another model are refused with what differs`()
    throws
  {
    try withTemporaryFolder { folder in
      let task = try SmallTask(["epochs": "1"], in: folder)
      let recipe = try refused(["--set", "seed=2"], task, "other-recipe")
      #expect(recipe.contains("has seed: 2 instead of 3."), "\(recipe)")
      let lines = try String(contentsOfFile: "\(folder)/prompts.jsonl", encoding: .utf8)
      try task.write(lines.replacing("ring", with: "circle"), to: "other.jsonl")
      let prompts = try refused(["--set", "prompts.train=other.jsonl"], task, "other-prompts")
      #expect(prompts.contains(#/has prompts\.train: [0-9a-f]{12} instead of [0-9a-f]{12}\./#))
      try FileActions.copy("\(repositoryFolder())/Models/shapes", to: "\(folder)/model")
      let weights = "\(folder)/model/transformer/diffusion_pytorch_model.safetensors"
      var bytes = try Data(contentsOf: URL(filePath: weights))
      // The fingerprint has some numbers of a large weight.
      for place in stride(from: bytes.count - 4, to: bytes.count / 2, by: -4) { bytes[place] ^= 1 }
      try bytes.write(to: URL(filePath: weights))
      let model = try refused(["--set", "model=model"], task, "other-model")
      #expect(model.contains(#/has model/transformer/[\w.]+: [0-9a-f]{12} instead of \w{12}; /#))
    }
  }

  @Test func `another program of the same version is refused`() throws {
    try withTemporaryFolder { folder in
      let task = try SmallTask(["epochs": "1"], in: folder)
      let program = "\(folder)/tempflow"
      try FileActions.copy(builtProduct("tempflow"), to: program)
      let file = try FileHandle(forWritingTo: URL(filePath: program))
      try file.seekToEnd()
      try file.write(contentsOf: Data([0]))
      try file.close()
      let outcome = try task.train(2, "other-program", extras: [1: .init(program: program)])
      #expect(outcome.statuses == [1, 1], "\(outcome.text)")
      let text = outcome.errors[0]
      #expect(
        text.contains(#/has the program: [\d.]+ [0-9a-f]{12} instead of [\d.]+ [0-9a-f]{12}\./#),
        "\(outcome.text)")
    }
  }

  @Test func `the same prompts and the same model may have other paths`() throws {
    try withTemporaryFolder { folder in
      let task = try SmallTask(["epochs": "1"], in: folder)
      try FileActions.copy("\(repositoryFolder())/Models/shapes", to: "\(folder)/model")
      try FileActions.copy("\(folder)/prompts.jsonl", to: "\(folder)/copy.jsonl")
      let changes = ["--set", "model=model", "--set", "prompts.train=copy.jsonl"]
      let outcome = try task.train(2, "run", extras: [1: .init(arguments: changes)])
      #expect(outcome.statuses == [0, 0], "\(outcome.text)")
      #expect(try task.checkpoints("run").last == 1)
    }
  }
}
