import Foundation

/// A process of the command `tempflow`.
struct TempFlowProcess {
  /// The status and the output of a process.
  struct Outcome {
    let status: Int32
    /// Whether a signal ended it.
    let wasKilled: Bool
    let output: String
    let errors: String
  }

  private let process = Process()
  private let folder: String
  private let number = UUID().uuidString

  /// Starts the command in `folder`.
  ///
  /// - Parameters:
  ///   - fileLimit: maximum kilobytes of a written file, to simulate a full disk.
  ///   - environment: added to the environment of the tests.
  init(
    _ arguments: [String], in folder: String, fileLimit: Int? = nil,
    environment: [String: String] = [:]
  ) throws {
    self.folder = folder
    let executable = try Self.executable
    if let fileLimit {
      process.executableURL = URL(filePath: "/bin/bash")
      let limited = "trap '' XFSZ; ulimit -f \(fileLimit); exec \"$0\" \"$@\""
      process.arguments = ["-c", limited, executable.path] + arguments
    } else {
      process.executableURL = executable
      process.arguments = arguments
    }
    process.currentDirectoryURL = URL(filePath: folder)
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let files = ["output", "errors"].map { "\(folder)/.\(number)-\($0)" }
    let handles = try files.map { path in
      FileManager.default.createFile(atPath: path, contents: nil)
      return try FileHandle(forWritingTo: URL(filePath: path))
    }
    process.standardOutput = handles[0]
    process.standardError = handles[1]
    try process.run()
  }

  /// Beside the test bundle, where `swift build` places every product.
  private static var executable: URL {
    get throws {
      let bundle = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
      let found = [bundle, URL(filePath: repository + "/.build/release")]
        .map { $0.appending(path: "tempflow") }
        .first { FileManager.default.isExecutableFile(atPath: $0.path) }
      guard let found else { throw CocoaError(.fileNoSuchFile) }
      return found
    }
  }

  private static let repository = #filePath.split(separator: "/").dropLast(3)
    .map { "/" + $0 }.joined()

  /// Whether the process is running.
  var isRunning: Bool { process.isRunning }

  /// Kills the process before it can save or clean up.
  func kill() { Foundation.kill(process.processIdentifier, SIGKILL) }

  /// Sends SIGINT, as Ctrl-C does.
  func interrupt() { process.interrupt() }

  /// Waits for the exit.
  func wait() throws -> Outcome {
    process.waitUntilExit()
    return Outcome(
      status: process.terminationStatus,
      wasKilled: process.terminationReason == .uncaughtSignal,
      output: try text("output"), errors: try text("errors"))
  }

  private func text(_ name: String) throws -> String {
    try String(contentsOfFile: "\(folder)/.\(number)-\(name)", encoding: .utf8)
  }

  /// Runs the command until it exits.
  static func run(
    _ arguments: [String], in folder: String, fileLimit: Int? = nil,
    environment: [String: String] = [:]
  ) throws -> Outcome {
    try TempFlowProcess(arguments, in: folder, fileLimit: fileLimit, environment: environment)
      .wait()
  }
}
