import Foundation
import Runs
import TestSupport

/// The processes of one run of `tempflow train` on this host, killed with this object.
final class TrainingProcesses {
  /// What one process has beside the arguments and variables of all.
  struct Extra {
    var arguments: [String] = []
    var environment: [String: String] = [:]
    /// Maximum kilobytes of a written file, to simulate a full disk.
    var fileLimit: Int?
    /// The program, where it is another than the built one.
    var program: String?
  }

  /// How the processes ended, in the order of ranks.
  struct Outcome {
    /// nil for a process that a signal has ended.
    let statuses: [Int32?]
    /// Standard error.
    let errors: [String]

    /// How often a text occurs in all of standard error.
    func count(of text: String) -> Int {
      errors.reduce(0) { $0 + $1.components(separatedBy: text).count - 1 }
    }

    /// The outcome for a failed expectation.
    var text: String {
      zip(statuses, errors).enumerated().map { rank, end in
        "rank \(rank): status \(end.0.map { "\($0)" } ?? "none")\n\(end.1)"
      }.joined(separator: "\n")
    }
  }

  struct Hanging: Error {
    let text: String
  }

  private var processes: [Process] = []
  private let files: [URL]

  /// Starts processes without waiting; one alone has no launcher's variables.
  ///
  /// - Parameters:
  ///   - arguments: of `tempflow train`.
  ///   - extras: by rank.
  ///   - folder: of the output, of the user cache, and the working directory.
  init(
    _ count: Int, _ arguments: [String], extras: [Int: Extra] = [:], in folder: String
  ) throws {
    files = (0..<count).map { URL(filePath: "\(folder)/\(UUID())-\($0)") }
    let port = try FreePort.choose()
    for rank in 0..<count {
      let variables = [
        "RANK": "\(rank)", "WORLD_SIZE": "\(count)", "LOCAL_RANK": "\(rank)",
        "LOCAL_WORLD_SIZE": "\(count)", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "\(port)",
      ]
      let extra = extras[rank] ?? Extra()
      let process = Process()
      let program = extra.program ?? builtProduct("tempflow")
      let words = ["train"] + arguments + extra.arguments
      if let limit = extra.fileLimit {
        process.executableURL = URL(filePath: "/bin/bash")
        let limited = "trap '' XFSZ; ulimit -f \(limit); exec \"$0\" \"$@\""
        process.arguments = ["-c", limited, program] + words
      } else {
        process.executableURL = URL(filePath: program)
        process.arguments = words
      }
      process.currentDirectoryURL = URL(filePath: folder)
      process.environment = ProcessInfo.processInfo.environment
        .merging(["XDG_CACHE_HOME": "\(folder)/cache"]) { $1 }
        .merging(count > 1 ? variables : [:]) { $1 }
        .merging(extra.environment) { $1 }
      try Data().write(to: files[rank])
      process.standardOutput = FileHandle.nullDevice
      process.standardError = try FileHandle(forWritingTo: files[rank])
      try process.run()
      processes.append(process)
    }
  }

  deinit {
    for process in processes where process.isRunning {
      kill(process.processIdentifier, SIGKILL)
    }
    for process in processes { process.waitUntilExit() }
  }

  func send(_ signal: Int32, to rank: Int) { kill(processes[rank].processIdentifier, signal) }

  /// Waits until a run has a checkpoint of this epoch or of a later one, since older ones are
  /// removed; all processes must be running then.
  func wait(forEpoch epoch: Int, of run: String, in task: SmallTask) throws {
    try waitUntil {
      guard processes.allSatisfy(\.isRunning) else { throw Hanging(text: "ended early\n\(text)") }
      return try task.checkpoints(run).contains { $0 >= epoch }
    }
  }

  /// Waits for the end of all processes but those that a test has stopped.
  func wait(besides stopped: Int? = nil) throws -> Outcome {
    let awaited = processes.indices.filter { $0 != stopped }
    try waitUntil { awaited.allSatisfy { !processes[$0].isRunning } }
    return outcome
  }

  private var outcome: Outcome {
    Outcome(
      statuses: processes.map { process in
        guard !process.isRunning, process.terminationReason == .exit else { return nil }
        return process.terminationStatus
      },
      errors: files.map {
        String(decoding: FileManager.default.contents(atPath: $0.path)!, as: UTF8.self)
      })
  }

  private var text: String { outcome.text }

  /// Three minutes are long for every test here and short for one that hangs.
  private func waitUntil(_ isDone: () throws -> Bool) throws {
    let deadline = ContinuousClock.now + .seconds(180)
    while try !isDone() {
      guard ContinuousClock.now < deadline else { throw Hanging(text: text) }
      usleep(5000)
    }
  }
}
