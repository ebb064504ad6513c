import Foundation
import TestSupport

/// A process of the program ProcessGroupWorker, whose output goes into a file.
final class WorkerProcess {
  private let process = Process()
  private let file: URL

  var identifier: Int32 { process.processIdentifier }

  /// Standard output and standard error, interleaved, up to now.
  var output: String {
    get throws { String(decoding: try Data(contentsOf: file), as: UTF8.self) }
  }

  /// - Parameter folder: where the file is.
  init(_ arguments: [String], environment: [String: String], folder: String) throws {
    file = URL(filePath: "\(folder)/\(UUID())")
    try Data().write(to: file)
    process.executableURL = URL(filePath: builtProduct("ProcessGroupWorker"))
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment
      .merging(["OMP_NUM_THREADS": "1"]) { $1 }.merging(environment) { $1 }
    process.standardOutput = try FileHandle(forWritingTo: file)
    process.standardError = process.standardOutput
    try process.run()
  }

  deinit {
    if process.isRunning { send(SIGKILL) }
    process.waitUntilExit()
  }

  func send(_ signal: Int32) { kill(identifier, signal) }

  /// Waits until the output contains a text.
  func wait(for text: String) throws {
    try waitUntil { try output.contains(text) }
  }

  /// Waits for the end; a process that a signal has ended has no status.
  func status() throws -> Int32? {
    try waitUntil { !process.isRunning }
    return process.terminationReason == .exit ? process.terminationStatus : nil
  }

  /// One minute is long for every test and short for one that hangs.
  func waitUntil(_ isDone: () throws -> Bool) throws {
    let deadline = ContinuousClock.now + .seconds(60)
    while try !isDone() {
      guard ContinuousClock.now < deadline else { throw Hanging(output: try output) }
      usleep(20_000)
    }
  }

  struct Hanging: Error {
    let output: String
  }
}
