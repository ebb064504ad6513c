#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Whole files, replaced so that a reader finds the old content or the new, never a part.
package enum AtomicFile {
  /// Writes beside, flushes, renames over the target, flushes the folder.
  ///
  /// - Throws: `diskFull`, `vanished` when the folder is gone, or `system`. The old file, if there
  ///   was one, is then as it was.
  package static func write(_ bytes: some Collection<UInt8>, to path: String) throws(RunError) {
    let folder = FileTree.parent(of: path)
    guard try FileTree.isFolder(folder) else { throw RunError.vanished(path: folder) }
    let name = path.split(separator: "/").last.map(String.init) ?? path
    let temporary = "\(folder)/.tmp-\(name)-\(getpid())"
    try FileTree.remove(temporary)
    do throws(RunError) {
      let file = try OpenFile(temporary, for: .creating)
      try file.write(bytes)
      try file.synchronize()
      try FileTree.rename(temporary, to: path)
    } catch {
      // The error that counts is the first; a leftover is removed at the next write.
      unlink(temporary)
      throw error
    }
  }

  /// Writes text as UTF-8.
  package static func write(_ text: String, to path: String) throws(RunError) {
    try write(text.utf8, to: path)
  }

  /// Reads a whole file.
  package static func read(_ path: String) throws(RunError) -> [UInt8] {
    let file = try OpenFile(path, for: .reading)
    let count = try file.status().byteCount
    var bytes = [UInt8](repeating: 0, count: count)
    var got = 0
    var failure: RunError?
    bytes.withUnsafeMutableBytes { buffer in
      do throws(RunError) { got = try file.read(into: buffer, at: 0) } catch { failure = error }
    }
    if let failure { throw failure }
    return Array(bytes.prefix(got))
  }
}
