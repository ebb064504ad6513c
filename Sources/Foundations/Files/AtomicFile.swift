/// Whole files, read at once and replaced in one step.
package enum AtomicFile {
  /// Replaces the content of a file, or makes the file; see `ReplacementFile`.
  ///
  /// - Throws: `missingFolder` when the file's folder is missing, `diskFull` or `system`. The old
  ///   file, if there was one, is then unchanged.
  package static func write(_ bytes: some Collection<UInt8>, to path: String) throws(FileError) {
    let file = try ReplacementFile(path)
    try file.write(bytes)
    try file.commit()
  }

  /// Replaces the content of a file by text as UTF-8.
  package static func write(_ text: String, to path: String) throws(FileError) {
    try write(text.utf8, to: path)
  }

  /// The content of a file.
  package static func read(_ path: String) throws(FileError) -> [UInt8] {
    let file = try OpenFile(path, for: .reading)
    // One byte more than the length shows the end, and that the file did not grow meanwhile.
    var bytes = [UInt8](repeating: 0, count: try file.status().byteCount + 1)
    var count = 0
    var failure: FileError?
    while true {
      let start = count
      bytes.withUnsafeMutableBytes { buffer in
        let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[start...])
        do throws(FileError) { count += try file.read(into: rest, at: start) } catch {
          failure = error
        }
      }
      if let failure { throw failure }
      if count < bytes.count { break }
      bytes += [UInt8](repeating: 0, count: max(bytes.count, 1 << 16))
    }
    bytes.removeLast(bytes.count - count)
    return bytes
  }
}
