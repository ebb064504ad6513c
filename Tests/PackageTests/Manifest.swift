import Foundation
import Testing

/// The package's targets, as `swift package dump-package` prints them.
struct Manifest: Decodable {
  struct Target: Decodable {
    let name: String
    let type: String
    let path: String?
    let dependencies: [Dependency]

    /// Whether it is a layer of the package: all targets but tests and what supports them.
    var isLayered: Bool { type != "test" && path?.hasPrefix("Tests/") != true }

    /// The folder of its sources, relative to the package.
    var folder: String { path ?? (type == "test" ? "Tests/\(name)" : "Sources/\(name)") }
  }

  /// `{"byName": ["Torch", null]}`, `{"target": […]}` or `{"product": ["Yams", "Yams", …]}`
  struct Dependency: Decodable {
    let name: String

    init(from decoder: any Decoder) throws {
      let values = try decoder.singleValueContainer().decode([String: [Name?]].self)
      let found = values.values.first?.first??.value
      name = try #require(found, "\(values.keys) has no name")
    }

    private struct Name: Decodable {
      let value: String?

      init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        do { value = try container.decode(String.self) } catch is DecodingError { value = nil }
      }
    }
  }

  let targets: [Target]

  /// Runs SwiftPM on the package's manifest.
  static func ofPackage() throws -> Manifest {
    let scratch = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    defer { do { try FileManager.default.removeItem(at: scratch) } catch {} }
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [
      "swift", "package", "--package-path", SourceTree.root.path(), "--scratch-path",
      scratch.path(), "dump-package",
    ]
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return try JSONDecoder().decode(Manifest.self, from: data)
  }
}
