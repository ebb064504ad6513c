import Foundation
import TestSupport

/// A recipe on the embedded model whose epoch takes a fraction of a second, in a folder of its own.
struct SmallTask {
  let folder: String

  /// - Parameter sections: sections of the recipe in place of, or beside, those of `defaults`.
  init(_ sections: [String: String] = [:], in folder: String) throws {
    self.folder = folder
    let file = "\(repositoryFolder())/Prompts/shapes/train.jsonl"
    let prompts = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
    try write(prompts.prefix(40).joined(separator: "\n"), to: "prompts.jsonl")
    try write(Self.scorer, to: "scorer.py")
    let recipe = Self.defaults.merging(sections) { $1 }.sorted { $0.key < $1.key }
    try write(recipe.map { "\($0.key): \($0.value)\n" }.joined(), to: "recipe.yaml")
  }

  private static var defaults: [String: String] {
    let root = repositoryFolder()
    return [
      "model": "\(root)/Models/shapes", "trainable": "full",
      "prompts": "{train: prompts.jsonl, evaluation: \(root)/Prompts/shapes/held-out.jsonl, "
        + "per_epoch: 8}",
      "rewards": "[{name: shapes, mode: partial}]",
      "sampling": "{steps: 4, guidance_scale: 1, branches: 2, micro_batch: 12}",
      "advantage": "{baseline: seed}", "loss": "{clip_range: 3e-2}",
      "optimizer": "{learning_rate: 1e-3, updates_per_epoch: 2, micro_batch: 6}",
      "ema": "{update_every: 2}", "epochs": "2",
      "evaluation": "{every: 2, prompts: 16, steps: 3, samples: 5}",
      "checkpoints": "{every: 2}", "seed": "3", "threads": "1",
    ]
  }

  /// Scores by the size of the file, none for a prompt with a circle. It ends as soon as the file
  /// OUTAGE, if the environment has one, holds `"kind":"epoch"`; at once with OUTAGE=now.
  private static let scorer = """
    import json, os, sys

    def has_failed():
        path = os.environ.get("OUTAGE", "")
        if path in ("", "now"):
            return path == "now"
        return os.path.exists(path) and '"kind":"epoch"' in open(path).read()

    for line in sys.stdin:
        request = json.loads(line)
        if has_failed():
            sys.exit("the scorer is out of order")
        scores = [
            None if "circle" in sample["prompt"] else os.path.getsize(sample["path"]) / 1000
            for sample in request["samples"]
        ]
        print(json.dumps({"protocol": 1, "id": request["id"], "scores": scores}), flush=True)
    """

  func write(_ text: String, to name: String) throws {
    try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(name)"))
  }

  /// The path of a run.
  func path(_ run: String, _ name: String = "") -> String { "\(folder)/\(run)/\(name)" }

  /// Starts the processes of a run.
  func start(
    _ count: Int, _ run: String, _ arguments: [String] = [],
    extras: [Int: TrainingProcesses.Extra] = [:]
  ) throws -> TrainingProcesses {
    try TrainingProcesses(
      count, ["recipe.yaml", "--run-dir", run] + arguments, extras: extras, in: folder)
  }

  /// Runs the processes of a run to their end.
  func train(
    _ count: Int, _ run: String, _ arguments: [String] = [],
    extras: [Int: TrainingProcesses.Extra] = [:]
  ) throws -> TrainingProcesses.Outcome {
    try start(count, run, arguments, extras: extras).wait()
  }

  /// The files of a run that are the same on any number of processes, by their paths in the run.
  func files(_ run: String) throws -> [String: Data] {
    let varying = [
      "timings.jsonl", "log.txt", "summary.json", "lock", "state.json", "manifest.json",
    ]
    var files: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: path(run)) {
      let isVarying = varying.contains { name.hasSuffix($0) } || name.hasPrefix("ranks")
      var isFolder: ObjCBool = false
      FileManager.default.fileExists(atPath: path(run, name), isDirectory: &isFolder)
      guard !isVarying, !isFolder.boolValue else { continue }
      files[name] = try Data(contentsOf: URL(filePath: path(run, name)))
    }
    return files
  }

  /// The names of files that two runs do not have alike.
  func differences(_ run: String, _ other: String) throws -> [String] {
    let (first, second) = (try files(run), try files(other))
    return Set(first.keys).union(second.keys).filter { first[$0] != second[$0] }.sorted()
  }

  /// The lines of a kind in a run's metrics.
  func metrics(_ run: String, _ kind: String = "epoch") throws -> [[String: Any]] {
    try String(contentsOfFile: path(run, "metrics.jsonl"), encoding: .utf8)
      .split(separator: "\n").compactMap {
        try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
      }.filter { $0["kind"] as? String == kind }
  }

  /// The epochs of a run's checkpoints; none before the first.
  func checkpoints(_ run: String) throws -> [Int] {
    let folder = path(run, "checkpoints")
    guard FileManager.default.fileExists(atPath: folder) else { return [] }
    return try FileActions.names(folder).compactMap { Int($0) }
  }
}
