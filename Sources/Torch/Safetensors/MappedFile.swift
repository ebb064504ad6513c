#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A file mapped into memory: pages are read when they are touched.
///
/// The mapping is private, so writing to its memory changes neither the file nor another mapping.
/// Another process must not shorten the file while it is mapped; writers here replace files.
final class MappedFile {
  let bytes: UnsafeRawBufferPointer

  /// - Throws: `SafetensorsError.cannotRead`.
  init(path: String) throws(SafetensorsError) {
    func failure(_ code: Int32) -> SafetensorsError {
      .cannotRead(path: path, reason: String(cString: strerror(code)))
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure(errno) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .cannotRead(path: path, reason: "it is not a file")
    }
    let count = Int(status.st_size)
    guard count > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    let address = mmap(
      nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, descriptor, 0)
    guard let address, address != MAP_FAILED else { throw failure(errno) }
    bytes = UnsafeRawBufferPointer(start: address, count: count)
  }

  deinit {
    guard let address = bytes.baseAddress else { return }
    munmap(UnsafeMutableRawPointer(mutating: address), bytes.count)
  }
}
