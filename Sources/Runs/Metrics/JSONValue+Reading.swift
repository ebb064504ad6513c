package import JSON

extension JSONValue {
  /// Reads one JSON value.
  ///
  /// - Parameter path: the file that the bytes come from, for the error.
  /// - Throws: `unreadable` with the line.
  package init(parsing bytes: some Collection<UInt8>, path: String) throws(RunError) {
    let bytes = Array(bytes)
    do throws(JSONParser.Failure) {
      self = try JSONParser.parse(bytes[...])
    } catch {
      let line = bytes.prefix(error.offset).count { $0 == UInt8(ascii: "\n") } + 1
      throw .unreadable(path: path, line: line, reason: error.reason)
    }
  }

  /// Reads a file that holds one JSON value.
  ///
  /// - Throws: `unreadable` with the line, or a file error.
  package static func read(_ path: String) throws(RunError) -> JSONValue {
    try JSONValue(parsing: try AtomicFile.read(path), path: path)
  }
}
