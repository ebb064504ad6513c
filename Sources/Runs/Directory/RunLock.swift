#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The claim of one process on a run directory, held until the value goes.
///
/// It is an advisory `flock` on the file `lock`, which the kernel drops when the process ends,
/// however it ends. The file stays and names the last holder's process and host.
package final class RunLock {
  private let file: OpenFile

  /// Takes the lock, without waiting.
  ///
  /// - Throws: `locked` with the holder's process id when another process has it.
  package init(_ path: String) throws(RunError) {
    file = try OpenFile(path, for: .updating)
    guard OpenFile.retrying({ flock(file.descriptor, LOCK_EX | LOCK_NB) }) == 0 else {
      let code = errno
      guard code == EWOULDBLOCK else { throw RunError(code, path: path, operation: "lock") }
      let holder = try Self.holder(path)
      throw .locked(path: FileTree.parent(of: path), pid: holder.pid, host: holder.host)
    }
    try file.truncate(to: 0)
    try file.write("\(getpid())\n\(Self.hostName)\n".utf8)
  }

  // Closing alone would leave it to a child that another thread is just starting: between fork and
  // exec it has this file open, too.
  deinit { _ = flock(file.descriptor, LOCK_UN) }

  /// The process id and host in a lock file; nil where nothing readable is written.
  private static func holder(_ path: String) throws(RunError) -> (pid: Int?, host: String?) {
    let text = String(decoding: try AtomicFile.read(path), as: UTF8.self)
    let lines = text.split(separator: "\n")
    return (lines.first.flatMap { Int($0) }, lines.dropFirst().first.map(String.init))
  }

  private static var hostName: String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "unknown" }
    return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
