#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// One open file descriptor, closed when the value goes.
struct OpenFile: ~Copyable {
  /// What a file is opened for.
  enum Purpose {
    /// Reading from the start.
    case reading
    /// Writing a file that must not exist yet.
    case creating
    /// Writing at the end of a file that is made if need be.
    case appending
    /// Reading and rewriting a file that is made if need be.
    case updating

    fileprivate var flags: Int32 {
      switch self {
      case .reading: O_RDONLY
      case .creating: O_WRONLY | O_CREAT | O_EXCL
      case .appending: O_WRONLY | O_CREAT | O_APPEND
      case .updating: O_RDWR | O_CREAT
      }
    }
  }

  let descriptor: Int32
  let path: String

  /// Opens a file; child processes do not inherit it.
  init(_ path: String, for purpose: Purpose) throws(RunError) {
    let opened = Self.retrying { open(path, purpose.flags | O_CLOEXEC, 0o644) }
    guard opened >= 0 else { throw RunError(errno, path: path, operation: "open") }
    descriptor = opened
    self.path = path
  }

  deinit { close(descriptor) }

  /// Writes all bytes.
  func write(_ bytes: some Collection<UInt8>) throws(RunError) {
    let bytes = Array(bytes)
    var start = 0
    while start < bytes.count {
      let written = Self.retrying {
        bytes.withUnsafeBytes { buffer in
          #if canImport(Glibc)
            Glibc.write(descriptor, buffer.baseAddress! + start, buffer.count - start)
          #else
            Darwin.write(descriptor, buffer.baseAddress! + start, buffer.count - start)
          #endif
        }
      }
      guard written >= 0 else { throw RunError(errno, path: path, operation: "write") }
      start += written
    }
  }

  /// Waits until what was written is on the disk.
  func synchronize() throws(RunError) {
    guard Self.retrying({ fsync(descriptor) }) == 0 else {
      throw RunError(errno, path: path, operation: "flush")
    }
  }

  /// Cuts the file to a length in bytes.
  func truncate(to length: Int) throws(RunError) {
    guard Self.retrying({ ftruncate(descriptor, off_t(length)) }) == 0 else {
      throw RunError(errno, path: path, operation: "cut")
    }
  }

  /// What the file system knows of the open file.
  func status() throws(RunError) -> FileStatus {
    var found = stat()
    guard fstat(descriptor, &found) == 0 else {
      throw RunError(errno, path: path, operation: "look at")
    }
    return FileStatus(found)
  }

  /// Reads from an offset until the buffer is full or the file ends; gives the number of bytes.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(RunError) -> Int {
    var count = 0
    while count < buffer.count {
      let got = Self.retrying {
        pread(descriptor, buffer.baseAddress! + count, buffer.count - count, off_t(offset + count))
      }
      guard got >= 0 else { throw RunError(errno, path: path, operation: "read") }
      if got == 0 { break }
      count += got
    }
    return count
  }

  /// Repeats a call that a signal interrupted.
  static func retrying<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
      let result = call()
      if result != -1 || errno != EINTR { return result }
    }
  }
}

/// Which file a path or descriptor stands for, and its length.
struct FileStatus: Equatable {
  let device: UInt64
  let inode: UInt64
  let byteCount: Int
  let isDirectory: Bool

  init(_ status: stat) {
    device = UInt64(truncatingIfNeeded: status.st_dev)
    inode = UInt64(truncatingIfNeeded: status.st_ino)
    byteCount = Int(status.st_size)
    isDirectory = status.st_mode & S_IFMT == S_IFDIR
  }

  /// The file at a path; nil when there is none.
  init?(path: String) throws(RunError) {
    var found = stat()
    guard stat(path, &found) == 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw RunError(errno, path: path, operation: "look at")
    }
    self.init(found)
  }

  /// Whether both are the same file.
  func isSameFile(as other: FileStatus) -> Bool {
    device == other.device && inode == other.inode
  }
}

extension RunError {
  /// The error of a failed call, from its `errno`.
  init(_ code: Int32, path: String, operation: String) {
    switch code {
    case ENOSPC, EDQUOT: self = .diskFull(path: path)
    default:
      self = .system(path: path, operation: operation, reason: String(cString: strerror(code)))
    }
  }
}
