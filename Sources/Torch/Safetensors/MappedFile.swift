internal import Foundations

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A file mapped into memory: pages are read on first access.
///
/// The mapping is private, so writing to its memory changes neither the file nor another mapping.
/// Another process must not shorten the file while it is mapped; writers here replace files.
final class MappedFile {
  let bytes: UnsafeRawBufferPointer

  /// - Throws: `SafetensorsError.cannotRead` or `.gitLFSPointer`.
  init(path: String) throws(SafetensorsError) {
    func failure(_ code: Int32) -> SafetensorsError {
      .cannotRead(path: path, reason: SystemError.text(code))
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
    guard !GitLFSPointer.isPointer(bytes) else { throw .gitLFSPointer(path: path) }
  }

  /// Returns the whole pages of `range` to the system: the next access reads them from the file
  /// again, and writes of this process to them are lost.
  func releasePages(_ range: Range<Int>) {
    guard let base = bytes.baseAddress else { return }
    let page = Int(getpagesize())
    let start = (range.lowerBound + page - 1) / page * page
    let end = range.upperBound / page * page
    guard start < end else { return }
    // If the system ignores the advice, the pages stay in memory.
    madvise(UnsafeMutableRawPointer(mutating: base + start), end - start, MADV_DONTNEED)
  }

  deinit {
    guard let address = bytes.baseAddress else { return }
    munmap(UnsafeMutableRawPointer(mutating: address), bytes.count)
  }
}
