/// Why an image file could not be read or written; the description names file, reason and remedy.
package enum ImageFileError: Error, Equatable, CustomStringConvertible {
  /// The file cannot be opened or read.
  case unreadable(path: String, reason: String)
  /// The file was read, but is no PNG or a damaged one.
  case malformed(path: String, reason: String)
  /// The image is larger than `limit` pixels, which is more than any image of ours.
  case tooLarge(path: String, width: Int, height: Int, limit: Int)
  /// The image cannot be turned into a file of this format.
  case unencodable(format: String, reason: String)
  /// The file cannot be written; what stood at the path before is still there.
  case unwritable(path: String, reason: String)

  package var description: String {
    switch self {
    case .unreadable(let path, let reason):
      "\(path): cannot be read (\(reason)); check that it exists and is readable"
    case .malformed(let path, let reason):
      "\(path): not a sound PNG (\(reason)); write the file again"
    case .tooLarge(let path, let width, let height, let limit):
      "\(path): \(width) x \(height) pixels, more than the \(limit) allowed; scale it down"
    case .unencodable(let format, let reason):
      "the image cannot be written as \(format) (\(reason))"
    case .unwritable(let path, let reason):
      "\(path): cannot be written (\(reason)); check that the folder exists and has room"
    }
  }
}
