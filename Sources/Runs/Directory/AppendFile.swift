/// A file that only grows, and that notices when its path no longer leads to it.
final class AppendFile {
  let path: String
  /// Bytes in the file after the last whole append.
  private(set) var byteCount: Int
  private let file: OpenFile
  private let identity: FileStatus

  /// Opens a file for appending, making it if need be.
  ///
  /// - Parameter length: cuts the file to this many bytes first.
  /// - Throws: `logMismatch` when the file is shorter than that.
  init(_ path: String, cutTo length: Int? = nil) throws(RunError) {
    file = try OpenFile(path, for: .appending)
    identity = try file.status()
    self.path = path
    byteCount = identity.byteCount
    // The name of a new file must be on the disk before a checkpoint counts on its content.
    try FileTree.synchronize(folder: FileTree.parent(of: path))
    guard let length else { return }
    guard length <= byteCount else {
      throw .logMismatch(path: path, offset: length, reason: "it has only \(byteCount) bytes")
    }
    if length < byteCount { try file.truncate(to: length) }
    byteCount = length
  }

  /// Appends all the bytes or none.
  ///
  /// - Throws: `vanished` when the path is gone or is another file now, `diskFull`, `system`.
  func append(_ bytes: some Collection<UInt8>) throws(RunError) {
    try checkPresent()
    do throws(RunError) {
      try file.write(bytes)
    } catch {
      // A part may have been written. If cutting it off fails too, the file ends in a broken line,
      // which readers skip and resuming cuts off; the first error is the one to report.
      do throws(RunError) { try file.truncate(to: byteCount) } catch _ {}
      throw error
    }
    byteCount += bytes.count
  }

  /// Waits until everything appended is on the disk.
  func synchronize() throws(RunError) {
    try checkPresent()
    try file.synchronize()
  }

  private func checkPresent() throws(RunError) {
    guard let found = try FileStatus(path: path), found.isSameFile(as: identity) else {
      throw .vanished(path: path)
    }
  }
}
