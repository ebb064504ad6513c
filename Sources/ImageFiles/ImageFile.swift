internal import Foundations

/// The bytes of image files.
enum ImageFile {
  /// The content of a file.
  ///
  /// - Throws: `unreadable`, also for a Git LFS pointer in the place of an image.
  static func read(_ path: String) throws(ImageFileError) -> [UInt8] {
    do throws(FileError) {
      return try GitLFSPointer.read(path)
    } catch {
      throw .unreadable(path: path, reason: error.reason)
    }
  }

  /// Replaces the content of a file in one step.
  static func write(_ bytes: [UInt8], to path: String) throws(ImageFileError) {
    do throws(FileError) {
      try AtomicFile.write(bytes, to: path)
    } catch {
      throw .unwritable(path: path, reason: error.reason)
    }
  }
}
