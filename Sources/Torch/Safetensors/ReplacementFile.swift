import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A file written beside its destination, which it replaces in one step when complete.
///
/// Without `commit()`, the temporary file is removed when the object is released.
final class ReplacementFile {
  private static let counter = Atomic<Int>(0)

  private let path: String
  private let temporaryPath: String
  private var descriptor: Int32
  private var isCommitted = false

  /// - Throws: `SafetensorsError.cannotWrite`.
  init(path: String) throws(SafetensorsError) {
    self.path = path
    let number = Self.counter.add(1, ordering: .relaxed).newValue
    temporaryPath = "\(path).\(getpid())-\(number).partial"
    descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure() }
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if !isCommitted { unlink(temporaryPath) }
  }

  private func failure() -> SafetensorsError {
    .cannotWrite(path: path, reason: String(cString: strerror(errno)))
  }

  /// Appends the bytes.
  func write(_ bytes: UnsafeRawBufferPointer) throws(SafetensorsError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let written = systemWrite(descriptor, UnsafeRawBufferPointer(rebasing: rest))
      if written >= 0 {
        rest = rest.dropFirst(written)
      } else if errno != EINTR {
        throw failure()
      }
    }
  }

  /// Forces the bytes to disk and puts the file in its place.
  func commit() throws(SafetensorsError) {
    guard fsync(descriptor) == 0 else { throw failure() }
    let closed = close(descriptor)
    descriptor = -1
    guard closed == 0 else { throw failure() }
    guard rename(temporaryPath, path) == 0 else { throw failure() }
    isCommitted = true
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    let directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { throw failure() }
    defer { close(directory) }
    guard fsync(directory) == 0 else { throw failure() }
  }
}

/// `write(2)`; inside the class, the method of that name shadows it.
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
  write(descriptor, bytes.baseAddress, bytes.count)
}
