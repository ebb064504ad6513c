internal import Foundations

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The claim of one process on a run directory, as long as the value lives.
///
/// An advisory `flock` on the file `lock`. The kernel drops it when the process ends in any way;
/// the file stays and names the last holder's process and host, and the launch it belonged to.
package final class RunLock {
  private let file: OpenFile

  /// Takes the lock, without waiting.
  ///
  /// - Parameter launch: the launch that this process belongs to; nil for none that starts
  ///   processes again.
  /// - Throws: `locked` with the holder's process id when another process has it, `noLocks`.
  package init(_ path: String, launch: String? = nil) throws(RunError) {
    file = try onDisk(OpenFile(path, for: .updating))
    guard OpenFile.retrying({ flock(file.descriptor, LOCK_EX | LOCK_NB) }) == 0 else {
      let code = errno
      switch code {
      case EWOULDBLOCK: break
      case ENOSYS, ENOLCK, EOPNOTSUPP: throw .noLocks(path: path)
      default: throw .file(FileError(code, path: path, operation: "lock"))
      }
      let holder = try Self.holder(path)
      throw .locked(path: FileTree.parent(of: path), pid: holder.pid, host: holder.host)
    }
    let third = launch.map { "\($0)\n" } ?? ""
    let text = "\(getpid())\n\(Self.hostName)\n\(third)"
    // Over the old text: an empty file would say that no launch had opened the run, also after a
    // kill or on a full disk.
    try onDisk(file.write(text.utf8))
    try onDisk(file.truncate(to: text.utf8.count))
  }

  /// The launch of the last process that had the lock; nil without one, or without the file.
  static func launch(_ path: String) throws(RunError) -> String? {
    guard try onDisk(FileStatus(path: path)) != nil else { return nil }
    let text = String(decoding: try onDisk(AtomicFile.read(path)), as: UTF8.self)
    return text.split(separator: "\n").dropFirst(2).first.map(String.init)
  }

  // Closing alone is not enough: a child that another thread is starting has the file open between
  // fork and exec.
  deinit { _ = flock(file.descriptor, LOCK_UN) }

  /// The process id and host in a lock file; nil where the file does not hold them.
  private static func holder(_ path: String) throws(RunError) -> (pid: Int?, host: String?) {
    let text = String(decoding: try onDisk(AtomicFile.read(path)), as: UTF8.self)
    let lines = text.split(separator: "\n")
    return (lines.first.flatMap { Int($0) }, lines.dropFirst().first.map(String.init))
  }

  private static var hostName: String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "unknown" }
    return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
