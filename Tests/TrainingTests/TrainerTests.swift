import Foundation
import Runs
import Testing
import Torch
import Training

/// A run of a tiny model in a folder of its own.
@MainActor
private func train(
  _ folder: TemporaryFolder, _ changes: [(String, String)] = [], run: String = "run",
  resume: Bool = false
) async throws -> RunSummary {
  let recipe = try TrainingRecipe.read(
    RecipeDocument(text: recipeText(changes), name: "tiny.yaml", folder: folder.path))
  let output = try RunOutput(
    "\(folder.path)/\(run)", resume: resume, recipe: recipe, recipeName: "tiny",
    progress: ProgressReporter(columns: nil, write: { _ in }, now: { 0 }))
  return try await Trainer(recipe.settings, output: output).train()
}

private func tinyTask() throws -> TemporaryFolder {
  let folder = try TemporaryFolder()
  try folder.writeShapesTask(prompts: 8, heldOut: 6)
  try writeTinyModel(to: folder.path + "/model")
  return folder
}

private func contents(_ path: String) throws -> Data {
  try Data(contentsOf: URL(filePath: path))
}

@MainActor
@Suite(.serialized) struct TrainerTests {
  @Test func `a run leaves its metrics, samples, model, tree and summary`() async throws {
    let folder = try tinyTask()
    let summary = try await train(folder, [("epochs: 4", "epochs: 2\nthreads: 1")])
    #expect(summary.isFinished)
    #expect(summary.epochs == 2)
    #expect(summary.before.overall.count == 6)
    #expect(summary.evaluationProtocol.reward == "shapes_strict")
    let run = folder.path + "/run"
    for file in [
      "recipe.yaml", "summary.json", "samples/before.png", "samples/before.json",
      "samples/after.png", "tree/tree.json", "tree/trunk.png", "model/model_index.json",
    ] {
      #expect(FileManager.default.fileExists(atPath: "\(run)/\(file)"), "\(file)")
    }
    let lines = try MetricsLog.read(run + "/metrics.jsonl")
    #expect(lines.map { $0[.kind]?.string } == ["evaluation", "epoch", "epoch", "evaluation"])
    #expect(lines[1][.images]?.int == 4 * 2 * 4)
    #expect(lines[1][.sampleEvaluations]?.int == 4 * (2 + 4 * 3))
    #expect(lines[2][.updates]?.int == 4)
    let sheet = try JSONDecoder().decode(
      SampleSheet.self, from: contents(run + "/samples/after.json"))
    #expect(sheet.epoch == 2)
    #expect(sheet.samples.count == 6)
  }

  @Test func `rewards of the branches reach the weights`() async throws {
    let folder = try tinyTask()
    _ = try await train(folder, [("epochs: 4", "epochs: 2\nthreads: 1")])
    let lines = try MetricsLog.read(folder.path + "/run/metrics.jsonl")
    for line in lines where line[.kind] == "epoch" {
      print(line.text)
    }
  }
}
