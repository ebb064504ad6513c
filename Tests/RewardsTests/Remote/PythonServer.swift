import Foundation
import Rewards
import TestSupport

/// A running Python program that prints its port on the first line. It ends with this object or
/// with the test process, when its standard input closes.
final class PythonServer: Sendable {
  let port: Int
  private let process: Process
  private let input = Pipe()

  /// - Parameter script: a path below `Tests/Fixtures`.
  init(_ script: String, arguments: [String] = []) throws {
    let output = Pipe()
    process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["python3", fixture(script)] + arguments
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    var line = Data()
    while let byte = try output.fileHandleForReading.read(upToCount: 1), byte != Data("\n".utf8) {
      line += byte
    }
    guard let port = Int(String(decoding: line, as: UTF8.self)) else {
      throw RewardError.failed(reward: "test", reason: "the server does not start")
    }
    self.port = port
  }

  deinit { kill() }

  func kill() {
    guard process.isRunning else { return }
    Foundation.kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }
}
