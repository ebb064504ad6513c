import Foundations

/// The bytes and the JSON of a tokenizer's files.
enum TokenizerFile {
  /// The content of the file at `path`.
  ///
  /// - Throws: `unreadable`, also for a Git LFS pointer, which often stands in the place of
  ///   `tokenizer.json`.
  static func bytes(_ path: String) throws(TokenizerError) -> [UInt8] {
    do throws(FileError) {
      return try GitLFSPointer.read(path)
    } catch {
      throw .unreadable(path: path, reason: error.reason)
    }
  }

  /// The JSON value that the file at `path` holds.
  static func json(_ path: String) throws(TokenizerError) -> JSONValue {
    try json(try bytes(path), path: path)
  }

  /// Reads `bytes`; `path` names them in errors.
  static func json(_ bytes: [UInt8], path: String) throws(TokenizerError) -> JSONValue {
    do throws(JSONParser.Failure) {
      return try JSONParser.parse(bytes[...])
    } catch {
      throw .malformed(path: path, reason: "byte \(error.offset): \(error.reason)")
    }
  }
}
