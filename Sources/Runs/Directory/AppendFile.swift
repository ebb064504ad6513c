internal import Foundations

/// A file that only grows; every append checks that its path still leads to it.
final class AppendFile {
  let path: String
  /// Bytes in the file after the last whole append.
  private(set) var byteCount: Int
  private let file: OpenFile
  private let identity: FileStatus

  /// Opens a file for appending; a missing one is made.
  ///
  /// - Parameter length: cuts the file to this many bytes first.
  /// - Throws: `logMismatch` when the file is shorter than that, or a file error.
  init(_ path: String, cutTo length: Int? = nil) throws(RunError) {
    file = try onDisk(OpenFile(path, for: .appending))
    identity = try onDisk(file.status())
    self.path = path
    byteCount = identity.byteCount
    // The name of a new file must be on the disk before a checkpoint records its length.
    try onDisk(FileTree.synchronize(folder: FileTree.parent(of: path)))
    guard let length else { return }
    guard length <= byteCount else {
      throw .logMismatch(path: path, offset: length, reason: "it has only \(byteCount) bytes")
    }
    if length < byteCount { try onDisk(file.truncate(to: length)) }
    byteCount = length
  }

  /// Appends all the bytes or none.
  ///
  /// - Throws: `vanished` when the path is gone or leads to another file, or a file error.
  func append(_ bytes: some Collection<UInt8>) throws(RunError) {
    try checkPresent()
    do throws(FileError) {
      try file.write(bytes)
    } catch {
      // A part may have been written. If it cannot be cut off, the file ends in a broken line:
      // readers skip it, and resuming cuts it off.
      do throws(FileError) { try file.truncate(to: byteCount) } catch _ {}
      throw .file(error)
    }
    byteCount += bytes.count
  }

  /// Waits until everything appended is on the disk.
  func synchronize() throws(RunError) {
    try checkPresent()
    try onDisk(file.synchronize())
  }

  private func checkPresent() throws(RunError) {
    guard let found = try onDisk(FileStatus(path: path)), found.isSameFile(as: identity) else {
      throw .vanished(path: path)
    }
  }
}
