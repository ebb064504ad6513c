#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The identity of the file at a path or descriptor, and its length.
package struct FileStatus: Equatable, Sendable {
  let device: UInt64
  let inode: UInt64
  package let byteCount: Int
  package let isDirectory: Bool
  /// When the content changed last, in seconds since 1970.
  package let modified: Int

  init(_ status: stat) {
    device = UInt64(truncatingIfNeeded: status.st_dev)
    inode = UInt64(truncatingIfNeeded: status.st_ino)
    byteCount = Int(status.st_size)
    isDirectory = status.st_mode & S_IFMT == S_IFDIR
    #if canImport(Glibc)
      modified = status.st_mtim.tv_sec
    #else
      modified = status.st_mtimespec.tv_sec
    #endif
  }

  /// The file at a path, links followed; nil when there is none.
  package init?(path: String) throws(FileError) {
    var found = stat()
    guard stat(path, &found) == 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw FileError(errno, path: path, operation: "look at")
    }
    self.init(found)
  }

  /// Whether both are the same file.
  package func isSameFile(as other: FileStatus) -> Bool {
    device == other.device && inode == other.inode
  }
}
