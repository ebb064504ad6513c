#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// All bytes of a file.
func fileBytes(_ path: String) throws(ImageFileError) -> [UInt8] {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw .unreadable(path: path, reason: systemReason()) }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 1 << 16)
  while true {
    let count = chunk.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
    if count > 0 {
      bytes += chunk[..<count]
    } else if count == 0 {
      guard !bytes.starts(with: "version https://git-lfs.github.com/spec/".utf8) else {
        throw .unreadable(
          path: path, reason: "it is a Git LFS pointer; run 'git lfs pull' in its folder")
      }
      return bytes
    } else if errno != EINTR {
      throw .unreadable(path: path, reason: systemReason())
    }
  }
}

/// Replaces the file at `path`: written beside it, synced, then renamed over it.
func replaceFile(_ path: String, with bytes: [UInt8]) throws(ImageFileError) {
  let temporary = "\(path).\(getpid()).partial"
  let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
  guard descriptor >= 0 else { throw .unwritable(path: path, reason: systemReason()) }
  var failure: String?
  var start = 0
  while start < bytes.count && failure == nil {
    let count = bytes[start...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    if count > 0 {
      start += count
    } else if errno != EINTR {
      failure = systemReason()
    }
  }
  if failure == nil && fsync(descriptor) != 0 { failure = systemReason() }
  if close(descriptor) != 0 && failure == nil { failure = systemReason() }
  if failure == nil && rename(temporary, path) != 0 { failure = systemReason() }
  if let failure {
    unlink(temporary)
    throw .unwritable(path: path, reason: failure)
  }
}

/// The system's message for the last error.
private func systemReason() -> String { String(cString: strerror(errno)) }
