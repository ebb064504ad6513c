import Foundation
import Foundations
import Runs
import Testing

/// Runs of the real command on a tiny model, killed and resumed.
@Suite(.serialized) struct ResumeTests {
  /// The files of a run that must be independent of how often it was killed.
  private func fingerprint(_ run: String) throws -> [String: Data] {
    var files: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: run) {
      let varies =
        ["timings.jsonl", "log.txt", "summary.json", "lock"].contains(name)
        || name.hasSuffix("state.json") || name.hasSuffix("manifest.json")
        || name.hasPrefix("ended/")
      var isFolder: ObjCBool = false
      FileManager.default.fileExists(atPath: "\(run)/\(name)", isDirectory: &isFolder)
      if !varies, !isFolder.boolValue {
        files[name] = try Data(contentsOf: URL(filePath: "\(run)/\(name)"))
      }
    }
    return files
  }

  private func expectSame(_ run: String, _ other: String, _ note: String) throws {
    let first = try fingerprint(run)
    let second = try fingerprint(other)
    #expect(Set(first.keys) == Set(second.keys), "\(note)")
    for (name, data) in first where name != "recipe.yaml" {
      #expect(second[name] == data, "\(name) differs after \(note)")
    }
  }

  private func task(_ changes: [(String, String)] = []) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try folder.writeShapesTask(prompts: 8, heldOut: 6)
    try writeTinyModel(to: folder.path + "/model")
    let schedule = """
      epochs: 6
      threads: 1
      evaluation: {every: 2}
      checkpoints: {every: 2}
      """
    try folder.write(recipeText([("epochs: 4", schedule)] + changes), to: "tiny.yaml")
    return folder
  }

  private func arguments(_ run: String, resume: Bool = false) -> [String] {
    ["train", "tiny.yaml", "--run-dir", run] + (resume ? ["--resume"] : [])
  }

  @Test func `a run killed at any time and resumed equals an uninterrupted run, bit for bit`()
    throws
  {
    let folder = try task([("learning_rate: 1e-3", "learning_rate: 1e-3, cooldown: 0.8")])
    let start = ContinuousClock.now
    let whole = try TempFlowProcess.run(arguments("whole"), in: folder.path)
    #expect(whole.status == 0, "\(whole.errors)")
    let seconds = start.duration(to: .now) / .seconds(1)
    // One run is killed several times, a little later each time, until it ends before the kill.
    var kills = 0
    for share in stride(from: 0.1, through: 1.0, by: 0.15) {
      let process = try TempFlowProcess(arguments("killed", resume: kills > 0), in: folder.path)
      Thread.sleep(forTimeInterval: share * seconds)
      process.kill()
      let outcome = try process.wait()
      if outcome.wasKilled {
        // Killed before the run directory existed: the next process creates it.
        guard FileManager.default.fileExists(atPath: folder.path + "/killed/recipe.yaml") else {
          continue
        }
        kills += 1
      } else {
        #expect(outcome.status == 0, "\(outcome.errors)")
        break
      }
    }
    #expect(kills > 0)
    let last = try TempFlowProcess.run(arguments("killed", resume: true), in: folder.path)
    #expect(last.status == 0, "\(last.errors)")
    try expectSame(folder.path + "/whole", folder.path + "/killed", "\(kills) kills")
  }

  @Test func `adapters are saved and resumed as whole models are`() throws {
    let folder = try task([
      ("trainable: full", "trainable: lora\nlora: {rank: 2, targets: [attn.to_q, attn.to_v]}")
    ])
    let whole = try TempFlowProcess.run(arguments("whole"), in: folder.path)
    #expect(whole.status == 0, "\(whole.errors)")
    let process = try TempFlowProcess(arguments("killed"), in: folder.path)
    while process.isRunning,
      !FileManager.default.fileExists(atPath: folder.path + "/killed/checkpoints/000002")
    {
      Thread.sleep(forTimeInterval: 0.005)
    }
    process.kill()
    _ = try process.wait()
    let last = try TempFlowProcess.run(arguments("killed", resume: true), in: folder.path)
    #expect(last.status == 0 && last.errors.contains("Resuming after epoch"), "\(last.errors)")
    try expectSame(folder.path + "/whole", folder.path + "/killed", "a kill")
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
      #expect(
        FileManager.default.fileExists(atPath: "\(folder.path)/whole/adapters/\(name)"))
    }
  }

  @Test func `a damaged checkpoint is reported, and the run resumes from the previous one`()
    throws
  {
    let folder = try task()
    let whole = try TempFlowProcess.run(arguments("whole"), in: folder.path)
    #expect(whole.status == 0, "\(whole.errors)")
    let damaged = folder.path + "/damaged"
    try FileManager.default.copyItem(atPath: folder.path + "/whole", toPath: damaged)
    let file = damaged + "/checkpoints/000006/model.safetensors"
    var bytes = try Data(contentsOf: URL(filePath: file))
    bytes[bytes.count - 1] ^= 1
    try bytes.write(to: URL(filePath: file))
    let resumed = try TempFlowProcess.run(arguments("damaged", resume: true), in: folder.path)
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(resumed.errors.contains("is damaged"))
    #expect(resumed.errors.contains("Resuming after epoch 4"))
    try expectSame(folder.path + "/whole", damaged, "damage")
    // The result of the end that is repeated was kept.
    #expect(try RunSummary.read(damaged + "/ended/000006/summary.json").epochs == 6)
  }

  @Test func `an interrupted run finishes its epoch, saves and exits with 0`() throws {
    let folder = try task()
    let whole = try TempFlowProcess.run(arguments("whole"), in: folder.path)
    #expect(whole.status == 0, "\(whole.errors)")
    let process = try TempFlowProcess(arguments("stopped"), in: folder.path)
    while process.isRunning,
      !FileManager.default.fileExists(atPath: folder.path + "/stopped/checkpoints/000000")
    {
      Thread.sleep(forTimeInterval: 0.005)
    }
    process.interrupt()
    let outcome = try process.wait()
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(!outcome.wasKilled)
    #expect(outcome.errors.contains("Stopped by SIGINT"))
    let summary = try RunSummary.read(folder.path + "/stopped/summary.json")
    #expect(!summary.isFinished)
    #expect(summary.epochs < 6)
    let last = try TempFlowProcess.run(arguments("stopped", resume: true), in: folder.path)
    #expect(last.status == 0, "\(last.errors)")
    try expectSame(folder.path + "/whole", folder.path + "/stopped", "an interruption")
  }

  @Test func `a second run in one directory, or another recipe, is refused without changes`()
    throws
  {
    let folder = try task()
    let whole = try TempFlowProcess.run(arguments("run"), in: folder.path)
    #expect(whole.status == 0, "\(whole.errors)")
    let before = try fingerprint(folder.path + "/run")
    let again = try TempFlowProcess.run(arguments("run"), in: folder.path)
    #expect(again.status != 0)
    #expect(again.errors.contains("already holds a run"))
    let other = try TempFlowProcess.run(
      arguments("run", resume: true) + ["--set", "optimizer.learning_rate=0.5"], in: folder.path)
    #expect(other.status != 0)
    #expect(other.errors.contains("optimizer.learning_rate: 0.001 -> 0.5"))
    #expect(try fingerprint(folder.path + "/run") == before)
  }

  @Test func `a longer run is warned of a learning rate that rises again`() throws {
    let folder = try task([
      ("learning_rate: 1e-3", "learning_rate: 1e-3, cooldown: 0.5"), ("epochs: 6", "epochs: 1"),
    ])
    let first = try TempFlowProcess.run(arguments("run"), in: folder.path)
    #expect(first.status == 0, "\(first.errors)")
    let longer = try TempFlowProcess.run(
      arguments("run", resume: true) + ["--set", "epochs=2"], in: folder.path)
    #expect(longer.status == 0, "\(longer.errors)")
    #expect(
      longer.errors.contains("warning: epochs changed, and optimizer.cooldown lowers the learning"))
    let same = try TempFlowProcess.run(
      arguments("run", resume: true) + ["--set", "epochs=2"], in: folder.path)
    #expect(same.status == 0 && !same.errors.contains("warning: epochs"), "\(same.errors)")
  }

  @Test func `the evaluation at the end of a run is a part of the longer one`() throws {
    let folder = try task([
      ("checkpoints: {every: 2}", "checkpoints: {every: 1}"), ("epochs: 6", "epochs: 3"),
    ])
    for (epochs, evaluated) in [(3, [0, 2, 3]), (4, [0, 2, 3, 4])] {
      let outcome = try TempFlowProcess.run(
        arguments("run", resume: epochs > 3) + ["--set", "epochs=\(epochs)"], in: folder.path)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let summary = try RunSummary.read(folder.path + "/run/summary.json")
      #expect(summary.evaluations.map(\.epoch) == evaluated)
    }
  }

  @Test func `a run that goes on after its end has no result until it ends again`() throws {
    let folder = try task([
      ("trainable: full", "trainable: lora\nlora: {rank: 2, targets: [attn.to_q, attn.to_v]}"),
      ("epochs: 6", "epochs: 2"),
    ])
    let run = folder.path + "/run"
    let first = try TempFlowProcess.run(arguments("run"), in: folder.path)
    #expect(first.status == 0, "\(first.errors)")
    let outcome = ["summary.json", "adapters"].map { "\(run)/\($0)" }
    #expect(outcome.allSatisfy { FileManager.default.fileExists(atPath: $0) })
    // Nothing is left to do, so nothing is removed.
    let same = try TempFlowProcess.run(arguments("run", resume: true), in: folder.path)
    #expect(same.status == 0, "\(same.errors)")
    #expect(outcome.allSatisfy { FileManager.default.fileExists(atPath: $0) })
    // The run's own recipe changes no name.
    let own = try TempFlowProcess.run(
      ["train", "run/recipe.yaml", "--run-dir", "run", "--resume"], in: folder.path)
    #expect(own.status == 0, "\(own.errors)")
    #expect(try RunSummary.read("\(run)/summary.json").recipe == "tiny")
    let process = try TempFlowProcess(
      arguments("run", resume: true) + ["--set", "epochs=100000"], in: folder.path)
    while process.isRunning, !FileManager.default.fileExists(atPath: run + "/checkpoints/000004") {
      Thread.sleep(forTimeInterval: 0.005)
    }
    process.kill()
    #expect(try process.wait().wasKilled)
    #expect(outcome.allSatisfy { !FileManager.default.fileExists(atPath: $0) })
    let ended = ["summary.json", "adapters/adapter_model.safetensors"]
    #expect(
      ended.allSatisfy { FileManager.default.fileExists(atPath: "\(run)/ended/000002/\($0)") })
    let export = try TempFlowProcess.run(
      ["export", "run", "--format", "peft", "--output", "exported"], in: folder.path)
    #expect(export.status != 0 && export.errors.contains("has not ended"), "\(export.errors)")
    #expect(export.errors.contains("run/ended/000002/adapters"), "\(export.errors)")
  }

  @Test func `a trained run without its checkpoints is refused, and nothing is changed`() throws {
    let folder = try task([("epochs: 6", "epochs: 2")])
    let run = folder.path + "/run"
    let first = try TempFlowProcess.run(arguments("run"), in: folder.path)
    #expect(first.status == 0, "\(first.errors)")
    try FileManager.default.moveItem(atPath: run + "/checkpoints", toPath: run + "-checkpoints")
    let before = try fingerprint(run)
    for change in [[], ["--set", "epochs=3"]] {
      let again = try TempFlowProcess.run(arguments("run", resume: true) + change, in: folder.path)
      #expect(again.status != 0)
      #expect(again.errors.contains("/run/checkpoints holds no checkpoint"), "\(again.errors)")
      #expect(try fingerprint(run) == before)
    }
    #expect(!FileManager.default.fileExists(atPath: run + "/checkpoints"))
    try FileManager.default.moveItem(atPath: run + "-checkpoints", toPath: run + "/checkpoints")
    let last = try TempFlowProcess.run(
      arguments("run", resume: true) + ["--set", "epochs=3"], in: folder.path)
    #expect(last.status == 0 && last.errors.contains("Resuming after epoch 2"), "\(last.errors)")
  }

  @Test func `a run that ends where it had stopped shows its last samples`() throws {
    let folder = try task()
    let process = try TempFlowProcess(
      arguments("run") + ["--set", "evaluation.every=1", "--set", "epochs=100000"],
      in: folder.path)
    let samples = folder.path + "/run/samples"
    while process.isRunning, !FileManager.default.fileExists(atPath: samples + "/epoch-0001.json") {
      Thread.sleep(forTimeInterval: 0.005)
    }
    process.interrupt()
    #expect(try process.wait().status == 0)
    let epochs = try RunSummary.read(folder.path + "/run/summary.json").epochs
    #expect(!FileManager.default.fileExists(atPath: samples + "/after.json"))
    let last = try TempFlowProcess.run(
      arguments("run", resume: true)
        + ["--set", "evaluation.every=1", "--set", "epochs=\(epochs)"], in: folder.path)
    #expect(last.status == 0, "\(last.errors)")
    let digits = epochs.digits(4)
    for ending in ["json", "png"] {
      let made = FileManager.default.contents(atPath: "\(samples)/epoch-\(digits).\(ending)")
      let last = FileManager.default.contents(atPath: "\(samples)/after.\(ending)")
      #expect(made != nil && last == made)
    }
  }

  @Test func `a run whose folder is moved away ends with an error that names it`() throws {
    let folder = try task([("epochs: 6", "epochs: 100000")])
    let run = folder.path + "/gone"
    let process = try TempFlowProcess(arguments("gone"), in: folder.path)
    while process.isRunning, !FileManager.default.fileExists(atPath: run + "/checkpoints/000002") {
      Thread.sleep(forTimeInterval: 0.005)
    }
    try FileManager.default.moveItem(atPath: run, toPath: folder.path + "/elsewhere")
    let outcome = try process.wait()
    #expect(outcome.status != 0 && !outcome.wasKilled)
    #expect(outcome.errors.contains("/gone"), "\(outcome.errors)")
    #expect(!FileManager.default.fileExists(atPath: run), "nothing is made in its place")
  }

  @Test func `a run on a full disk ends with an error and can be resumed`() throws {
    let folder = try task()
    let whole = try TempFlowProcess.run(arguments("whole"), in: folder.path)
    #expect(whole.status == 0, "\(whole.errors)")
    // Files of at most 24 kB: the logs fit, a checkpoint does not.
    let full = try TempFlowProcess.run(arguments("full"), in: folder.path, fileLimit: 24)
    #expect(full.status != 0 && !full.wasKilled, "\(full.errors)")
    #expect(full.errors.contains("/full/checkpoints/"), "\(full.errors)")
    let last = try TempFlowProcess.run(arguments("full", resume: true), in: folder.path)
    #expect(last.status == 0, "\(last.errors)")
    try expectSame(folder.path + "/whole", folder.path + "/full", "a full disk")
  }
}
