/// The text file that Git LFS leaves in the place of a large file which was not downloaded.
package enum GitLFSPointer {
  private static let start = "version https://git-lfs.github.com/spec/"

  /// Whether a file begins as a pointer does.
  package static func isPointer(_ bytes: some Sequence<UInt8>) -> Bool {
    bytes.starts(with: start.utf8)
  }

  /// The content of a file.
  ///
  /// - Throws: `FileError`, also for a pointer in the file's place.
  package static func read(_ path: String) throws(FileError) -> [UInt8] {
    let bytes = try AtomicFile.read(path)
    guard !isPointer(bytes) else {
      throw .system(
        path: path, operation: "read",
        reason: "it is a Git LFS pointer; run 'git lfs pull' in its folder, or fetch the "
          + "repository with 'hf download'")
    }
    return bytes
  }
}
