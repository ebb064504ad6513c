import Foundation
import TestSupport
import Testing

/// `Tools/laboratory`, with which `make compare` compares methods.
@Suite struct LaboratoryTests {
  @Test func `its own tests of figures, choices, records and pages pass`() throws {
    let run = try ProgramRun(
      "/usr/bin/env",
      [
        "-C", repositoryFolder(), "PYTHONPATH=Tools/laboratory", "PYTHONDONTWRITEBYTECODE=1",
        "python3", "-m", "unittest", "discover", "-s", "Tools/laboratory/tests", "-t",
        "Tools/laboratory/tests",
      ])
    #expect(run.status == 0 && run.output.contains("OK"), "\(run.output)")
  }

  /// Also lets the command read every method's recipe.
  @Test(arguments: [("shapes", 9 * 15), ("shapes-edit", 5 * 15), ("shapes-hacking", 8 * 3)])
  func `the committed files list runs that the command accepts`(_ name: String, _ runs: Int) throws
  {
    let run = try laboratory(
      "Tools/laboratory/\(name).json",
      ["--dry-run", "--budget", "full", "--tempflow", builtProduct("tempflow")])
    #expect(run.status == 0, "\(run.output)")
    let counts = run.output.matches(of: /: ([0-9]+) runs of/).compactMap { Int($0.output.1) }
    #expect(counts.reduce(0, +) == runs)
  }

  /// Killed after the first recorded run, stopped after the third, then left to its end.
  @Test func `a laboratory that is killed and stopped makes every run once`() throws {
    try withTemporaryFolder { folder in
      let task = try SmallTask(in: folder)
      try task.write(methods(folder), to: "methods.json")
      let record = "\(folder)/results/runs.jsonl"
      func lines() throws -> [String] {
        // The record begins with the first run that has ended.
        guard FileManager.default.fileExists(atPath: record) else { return [] }
        let text = try String(contentsOfFile: record, encoding: .utf8)
        return text.split(separator: "\n").map(String.init)
      }
      for (signal, count) in [(SIGKILL, 1), (SIGTERM, 3)] {
        let process = try start(folder)
        for _ in 0..<2400 {
          guard try lines().count < count && process.isRunning else { break }
          Thread.sleep(forTimeInterval: 0.05)
        }
        let recorded = try lines().count
        #expect(process.isRunning && recorded >= count)
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        // A stopped laboratory says so; a killed one has no say.
        #expect(process.terminationStatus == 1 || process.terminationReason == .uncaughtSignal)
      }
      let before = try lines()
      let last = try laboratory("\(folder)/methods.json", places(folder))
      #expect(last.status == 0, "\(last.output)")
      let after = try lines()
      #expect(Array(after.prefix(before.count)) == before)
      let entries = try after.map { try Entry(line: $0) }
      // 2 methods of 2 settings, then 2 methods under 2 seeds.
      #expect(entries.count == 8 && Set(entries.map(\.key)).count == 8)
      #expect(entries.filter { $0.stage == "tuning 1" }.count == 4)
      for entry in entries {
        #expect(entry.trainingSeconds >= entry.seconds)
        let spent = try #require(entry.curve["nfe"]?.last)
        #expect(spent > 0 && entry.updates > 0)
      }
      let page = try String(contentsOfFile: "\(folder)/results/small.md", encoding: .utf8)
      #expect(page.contains("| First |") && page.contains("| Second |"))
      #expect(!page.contains("Unfinished"))
      // Nothing is left to do, and the page is the same.
      let again = try laboratory("\(folder)/methods.json", places(folder))
      #expect(again.status == 0 && !again.output.contains("starts"), "\(again.output)")
      #expect(try String(contentsOfFile: "\(folder)/results/small.md", encoding: .utf8) == page)
    }
  }

  @Test func `a setting that the command refuses is named before the first run`() throws {
    try withTemporaryFolder { folder in
      let task = try SmallTask(in: folder)
      try task.write(
        methods(folder).replacing("loss.weighting=none", with: "loss.wait=none"),
        to: "methods.json")
      let run = try laboratory("\(folder)/methods.json", places(folder))
      #expect(run.status == 1 && run.output.contains("method second: "), "\(run.output)")
      #expect(run.output.contains("loss.wait"))
      #expect(!FileManager.default.fileExists(atPath: "\(folder)/runs"))
    }
  }

  /// What the test reads of a recorded line.
  private struct Entry: Decodable {
    let key: String
    let stage: String
    let seconds: Double
    let trainingSeconds: Double
    let updates: Int
    let curve: [String: [Double]]

    init(line: String) throws {
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      self = try decoder.decode(Entry.self, from: Data(line.utf8))
    }
  }

  /// Two methods with two settings each, a second of training a run.
  private func methods(_ folder: String) -> String {
    """
    {
      "task": "small", "page": "small", "title": "A small comparison",
      "base": "\(folder)/recipe.yaml",
      "held_out": "\(repositoryFolder())/Prompts/shapes/held-out.jsonl",
      "validation": "\(repositoryFolder())/Prompts/shapes/validation.jsonl",
      "common": ["epochs=100000", "prompts.train=\(folder)/prompts.jsonl", "prompts.per_epoch=8"],
      "budgets": {
        "full": {
          "tuning": [{"settings": 2, "seconds": 1}],
          "final": {"seeds": 2, "seconds": 1, "evaluations": 2}
        }
      },
      "parts": {},
      "grids": {"rates": {"keys": ["optimizer.learning_rate"], "settings": [["1e-4"], ["3e-4"]]}},
      "methods": [
        {"name": "first", "label": "First", "parts": [], "settings": [], "grid": "rates"},
        {"name": "second", "label": "Second", "parts": [], "settings": ["loss.weighting=none"],
         "grid": "rates"}
      ]
    }
    """
  }

  private func places(_ folder: String) -> [String] {
    [
      "--budget", "full", "--tempflow", builtProduct("tempflow"), "--jobs", "2", "--runs",
      "\(folder)/runs", "--output", "\(folder)/results", "--record", "\(folder)/results/runs.jsonl",
    ]
  }

  private func arguments(_ file: String, _ options: [String]) -> [String] {
    [
      "-C", repositoryFolder(), "PYTHONDONTWRITEBYTECODE=1", "python3", "Tools/laboratory", file,
    ] + options
  }

  private func laboratory(_ file: String, _ options: [String]) throws -> ProgramRun {
    try ProgramRun("/usr/bin/env", arguments(file, options))
  }

  /// Starts the laboratory of a folder.
  private func start(_ folder: String) throws -> Process {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = arguments("\(folder)/methods.json", places(folder))
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    return process
  }
}
