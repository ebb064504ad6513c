#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// One open file descriptor, closed with the value.
package struct OpenFile: ~Copyable {
  /// Access rights and what happens to a file that is there or missing.
  package enum Purpose {
    /// Reading from the start.
    case reading
    /// Writing a file that must not exist yet.
    case creating
    /// Writing at the end of a file, which is made if it is missing.
    case appending
    /// Reading and rewriting a file, which is made if it is missing.
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

  package let descriptor: Int32
  package let path: String

  /// Opens a file; child processes do not inherit it.
  package init(_ path: String, for purpose: Purpose) throws(FileError) {
    let opened = Self.retrying { open(path, purpose.flags | O_CLOEXEC, 0o644) }
    guard opened >= 0 else { throw FileError(errno, path: path, operation: "open") }
    descriptor = opened
    self.path = path
  }

  deinit { close(descriptor) }

  /// Writes all bytes.
  package func write(_ bytes: some Collection<UInt8>) throws(FileError) {
    let contiguous = Array(bytes)
    var failure: FileError?
    contiguous.withUnsafeBytes { buffer in
      do throws(FileError) { try write(buffer) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Writes all bytes of a buffer.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let buffer = UnsafeRawBufferPointer(rebasing: rest)
      let written = Self.retrying { systemWrite(descriptor, buffer) }
      guard written >= 0 else { throw FileError(errno, path: path, operation: "write") }
      rest = rest.dropFirst(written)
    }
  }

  /// Waits until what was written is on the disk.
  package func synchronize() throws(FileError) {
    guard Self.retrying({ fsync(descriptor) }) == 0 else {
      throw FileError(errno, path: path, operation: "flush")
    }
  }

  /// Cuts the file to a length in bytes.
  package func truncate(to length: Int) throws(FileError) {
    guard Self.retrying({ ftruncate(descriptor, off_t(length)) }) == 0 else {
      throw FileError(errno, path: path, operation: "cut")
    }
  }

  /// Identity and length of the open file.
  package func status() throws(FileError) -> FileStatus {
    var found = stat()
    guard fstat(descriptor, &found) == 0 else {
      throw FileError(errno, path: path, operation: "look at")
    }
    return FileStatus(found)
  }

  /// Reads from an offset until the buffer is full or the file ends.
  ///
  /// - Returns: the number of bytes read.
  package func read(
    into buffer: UnsafeMutableRawBufferPointer, at offset: Int
  ) throws(FileError) -> Int {
    var count = 0
    while count < buffer.count {
      let got = Self.retrying {
        pread(descriptor, buffer.baseAddress! + count, buffer.count - count, off_t(offset + count))
      }
      guard got >= 0 else { throw FileError(errno, path: path, operation: "read") }
      if got == 0 { break }
      count += got
    }
    return count
  }

  /// Repeats a call that a signal interrupted.
  package static func retrying<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
      let result = call()
      if result != -1 || errno != EINTR { return result }
    }
  }
}

/// `write(2)`, whose name a method hides.
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
  write(descriptor, bytes.baseAddress, bytes.count)
}
