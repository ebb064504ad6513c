import Foundation

/// Runs `body` with the path of a new empty folder, which is removed afterward.
@discardableResult
package func withTemporaryFolder<Result>(
  _ body: (String) throws -> Result
) throws -> Result {
  let folder = FileManager.default.temporaryDirectory.appending(path: "tempflow-\(UUID())")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { removeFolder(folder) }
  return try body(folder.path)
}

/// Runs `body` with the path of a new empty folder, which is removed afterward.
@discardableResult
package func withTemporaryFolder<Result>(
  _ body: (String) async throws -> Result
) async throws -> Result {
  let folder = FileManager.default.temporaryDirectory.appending(path: "tempflow-\(UUID())")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { removeFolder(folder) }
  return try await body(folder.path)
}

private func removeFolder(_ folder: URL) {
  do { try FileManager.default.removeItem(at: folder) } catch {
    print("\(folder.path) was not removed: \(error.localizedDescription)")
  }
}
