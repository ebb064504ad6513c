import Foundation
import TestSupport

/// `Tools/reward_server.py` with a function of `Examples/rewards`, as a separate process.
final class RewardServer {
  let port: Int
  private let process = Process()

  /// Starts a server and waits until it listens.
  ///
  /// - Parameters:
  ///   - folder: the folder of the function's module.
  ///   - port: 0 selects a free port.
  init(_ function: String, in folder: String = exampleRewards, port: Int = 0) throws {
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["python3", rewardServer, function, "--port", "\(port)"]
    process.currentDirectoryURL = URL(filePath: folder)
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["PYTHONPATH": exampleRewards]) { $1 }
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    // Its only output is its address.
    let address = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
    guard
      let found = address.split(separator: ":").last.flatMap({ text in
        Int(text.trimmingCharacters(in: .whitespacesAndNewlines))
      })
    else { throw CocoaError(.fileReadCorruptFile) }
    self.port = found
  }

  deinit { kill() }

  /// Kills the process.
  func kill() {
    if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) }
  }

  /// Blocks until the process has exited.
  func wait() { process.waitUntilExit() }
}

/// The folder of the worked examples.
let exampleRewards = repositoryFolder() + "/Examples/rewards"
/// The reference server.
let rewardServer = repositoryFolder() + "/Tools/reward_server.py"
