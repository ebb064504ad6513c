import Foundation
import TestSupport
import Testing

@Suite struct LaunchCommandTests {
  @Test(arguments: [
    (["-n", "0", "--", "train", "r.yaml"], "-n must be in 1 ... 4096"),
    (["-n", "1", "--nodes", "0", "--", "train", "r.yaml"], "--nodes must be in 1 ... 65536"),
    (["-n", "1", "--timeout=-1", "--", "train", "r.yaml"], "--timeout must be in 0 ... 1e6"),
    (["-n", "1", "--max-restarts=-1", "--", "train", "r.yaml"], "--max-restarts must be"),
    (["-n", "1", "--master", "a", "--", "train", "r.yaml"], "--master is for several hosts"),
    (["-n", "1", "--nodes", "2", "--", "train", "r.yaml"], "--nodes needs --node-rank"),
    (
      ["-n", "1", "--nodes", "2", "--node-rank", "0", "--port", "9", "--", "train", "r.yaml"],
      "--nodes needs --master"
    ),
    (
      ["-n", "1", "--nodes", "2", "--node-rank", "0", "--master", "a", "--", "train", "r.yaml"],
      "--nodes needs --port"
    ),
    (
      [
        "-n", "1", "--nodes", "2", "--node-rank", "2", "--master", "a", "--port", "9", "--",
        "train", "r.yaml",
      ], "--node-rank must be in 0 ... 1 (--nodes is 2)"
    ),
    (["-n", "1", "--node-rank", "1", "--", "train", "r.yaml"], "--node-rank must be in 0 ... 0"),
    (["-n", "1", "--port", "0", "--", "train", "r.yaml"], "--port must be in 1 ... 65535"),
    (
      ["-n", "1", "--port", "65535", "--max-restarts", "1", "--", "train", "r.yaml"],
      "--port must be in 1 ... 65535, also with the number of a restart"
    ),
    (["-n", "2"], "nothing to start: give -- train RECIPE ..."),
    (
      ["-n", "2", "--", "report", "runs/demo"],
      "'report' runs in one process; only train is launched in several"
    ),
    (["-n", "2", "--", "train"], "Missing expected argument '<recipe>'"),
    (["-n", "2", "--", "train", "r.yaml", "--colour"], "Unknown option '--colour'"),
  ])
  func `what does not fit together is an error before a process is started`(
    _ arguments: [String], _ message: String
  ) throws {
    let run = try tempflow(["launch"] + arguments)
    #expect(run.status == 64)
    #expect(run.errors.hasPrefix("Error: \(message)"), "\(run.errors)")
    #expect(!run.errors.contains("tempflow launch: rank"))
  }

  @Test func `a process's failure is the command's, with the rank before its message`() throws {
    let recipe = repositoryFolder() + "/Recipes/shapes.yaml"
    let run = try tempflow(
      "launch", "-n", "1", "--", "train", recipe, "--set", "model=/nonexistent")
    #expect(run.status == 1)
    #expect(run.errors.contains("[0] Error: "), "\(run.errors)")
    #expect(run.errors.contains("tempflow launch: rank 0 exited with status 1"))
  }

  @Test func `a faulty recipe is told once, and no process is started or started again`() throws {
    let recipe = repositoryFolder() + "/Recipes/shapes.yaml"
    let run = try tempflow(
      "launch", "-n", "2", "--max-restarts", "3", "--", "train", recipe, "--set", "epoch=1")
    #expect(run.status == 1)
    #expect(run.errors.components(separatedBy: "unknown key \"epoch\"").count == 2, "\(run.errors)")
    #expect(!run.errors.contains("tempflow launch:"), "\(run.errors)")
  }

  @Test func `a restart goes on with no run that was there before`() throws {
    let folder = NSTemporaryDirectory() + "tempflow-launch-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let train = [
      "train", repositoryFolder() + "/Recipes/shapes.yaml", "--run-dir", folder + "/run",
      "--set", "epochs=1", "--set", "prompts.per_epoch=4", "--set", "optimizer.updates_per_epoch=1",
      "--set", "evaluation.prompts=2", "--set", "threads=1",
    ]
    let first = try tempflow(["launch", "-n", "1", "--max-restarts", "1", "--"] + train)
    #expect(first.status == 0, "\(first.errors)")
    let log = try String(contentsOfFile: folder + "/run/log.txt", encoding: .utf8)
    let again = try tempflow(["launch", "-n", "1", "--max-restarts", "1", "--"] + train)
    #expect(again.status == 1)
    #expect(again.errors.contains("started again (restart 1 of 1)"), "\(again.errors)")
    #expect(again.errors.components(separatedBy: "already holds a run").count == 3)
    #expect(try String(contentsOfFile: folder + "/run/log.txt", encoding: .utf8) == log)
  }
}
