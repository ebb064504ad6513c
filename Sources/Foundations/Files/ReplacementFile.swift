#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A file written beside its destination, which it replaces in one step when complete.
///
/// A reader of the destination finds the old content or the new, never a part. Nothing is left
/// behind when the value goes before `commit()`; what a killed process left begins with `.tmp-`.
/// Errors name the destination.
package final class ReplacementFile {
  private let path: String
  private let temporary: String
  private let file: OpenFile
  private var isCommitted = false

  /// Opens the file beside `path`.
  ///
  /// - Throws: `missingFolder` when the folder of `path` is missing, `diskFull` or `system`.
  package init(_ path: String) throws(FileError) {
    let folder = FileTree.parent(of: path)
    guard try FileTree.isFolder(folder) else { throw .missingFolder(path: folder) }
    self.path = path
    temporary = FileTree.temporary(beside: path)
    do throws(FileError) {
      file = try OpenFile(temporary, for: .creating)
    } catch {
      throw error.about(path)
    }
  }

  deinit {
    if !isCommitted { unlink(temporary) }
  }

  /// Appends the bytes.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    do throws(FileError) { try file.write(bytes) } catch { throw error.about(path) }
  }

  /// Appends the bytes.
  package func write(_ bytes: some Collection<UInt8>) throws(FileError) {
    do throws(FileError) { try file.write(bytes) } catch { throw error.about(path) }
  }

  /// Flushes the bytes, renames the file over its destination and flushes the folder.
  package func commit() throws(FileError) {
    do throws(FileError) {
      try file.synchronize()
      try FileTree.rename(temporary, to: path)
    } catch {
      throw error.about(path)
    }
    isCommitted = true
  }
}

extension FileError {
  /// The same refusal with another path, such as the destination of a temporary file.
  func about(_ path: String) -> FileError {
    switch self {
    case .diskFull: .diskFull(path: path)
    case .missingFolder: self
    case .system(_, let operation, let reason):
      .system(path: path, operation: operation, reason: reason)
    }
  }
}
