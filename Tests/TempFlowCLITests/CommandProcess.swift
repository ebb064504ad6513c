import Foundation
import TestSupport

/// The result of one run of the command `tempflow`.
struct CommandOutcome {
  let status: Int32
  let output: String
  let errors: String

  /// Standard output as one JSON object.
  var json: [String: Any] {
    get throws {
      let value = try JSONSerialization.jsonObject(with: Data(output.utf8))
      guard let object = value as? [String: Any] else { throw CocoaError(.coderInvalidValue) }
      return object
    }
  }
}

/// Runs the built command in the repository's folder.
func tempflow(_ arguments: String...) throws -> CommandOutcome { try tempflow(arguments) }

/// Runs the built command in the repository's folder.
///
/// - Parameter environment: variables added to those of the tests.
func tempflow(
  _ arguments: [String], environment: [String: String] = [:]
) throws -> CommandOutcome {
  let bundle = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
  let candidates = [bundle, URL(filePath: repositoryFolder() + "/.build/release")]
  let executable = candidates.map { $0.appending(path: "tempflow") }
    .first { FileManager.default.isExecutableFile(atPath: $0.path) }
  guard let executable else { throw CocoaError(.fileNoSuchFile) }
  let folder = FileManager.default.temporaryDirectory.appending(path: "tempflow-\(UUID())")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { remove(folder) }
  let files = ["output", "errors"].map { folder.appending(path: $0) }
  for file in files { FileManager.default.createFile(atPath: file.path, contents: nil) }
  let process = Process()
  process.executableURL = executable
  process.arguments = arguments
  process.currentDirectoryURL = URL(filePath: repositoryFolder())
  // The command's user cache is inside the test's folder.
  process.environment = ProcessInfo.processInfo.environment
    .merging(["XDG_CACHE_HOME": folder.path]) { $1 }.merging(environment) { $1 }
  process.standardOutput = try FileHandle(forWritingTo: files[0])
  process.standardError = try FileHandle(forWritingTo: files[1])
  try process.run()
  process.waitUntilExit()
  let texts = try files.map { try String(contentsOf: $0, encoding: .utf8) }
  return CommandOutcome(status: process.terminationStatus, output: texts[0], errors: texts[1])
}

private func remove(_ folder: URL) {
  do { try FileManager.default.removeItem(at: folder) } catch { print("\(folder.path): \(error)") }
}
