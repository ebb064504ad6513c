/// The text file that Git LFS leaves in the place of a large file which was not downloaded.
package enum GitLFSPointer {
  private static let start = "version https://git-lfs.github.com/spec/"

  /// Whether a file begins as a pointer does.
  package static func isPointer(_ bytes: some Sequence<UInt8>) -> Bool {
    bytes.starts(with: start.utf8)
  }
}
