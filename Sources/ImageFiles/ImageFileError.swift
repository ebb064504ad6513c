/// Why an image file could not be read or written; the description names file, reason and remedy.
package enum ImageFileError: Error, Equatable, CustomStringConvertible {
  /// The file cannot be opened or read.
  case unreadable(path: String, reason: String)
  /// The file was read but is not a valid file of this format.
  case malformed(path: String, format: String, reason: String)
  /// The file has a format that is known by name only.
  case unsupported(path: String, format: String, remedy: String)
  /// The file is neither a PNG or JPEG nor of a format known by name.
  case unrecognized(path: String)
  /// The image has more than `limit` pixels.
  case tooLarge(path: String, width: Int, height: Int, limit: Int)
  /// The image cannot be turned into a file of this format.
  case unencodable(format: String, reason: String)
  /// The file cannot be written; an older file at the path stays as it was.
  case unwritable(path: String, reason: String)

  package var description: String {
    switch self {
    case .unreadable(let path, let reason):
      "\(path): cannot be read (\(reason)); check that it exists and is readable"
    case .malformed(let path, let format, let reason):
      "\(path): not a valid \(format) (\(reason)); write the file again"
    case .unsupported(let path, let format, let remedy):
      "\(path): the format \(format) is not read; \(remedy)"
    case .unrecognized(let path):
      "\(path): not a PNG or JPEG; check the path, or convert the file to one of them"
    case .tooLarge(let path, let width, let height, let limit):
      "\(path): \(width) x \(height) pixels, more than the \(limit) allowed; scale it down"
    case .unencodable(let format, let reason):
      "the image cannot be written as \(format) (\(reason))"
    case .unwritable(let path, let reason):
      "\(path): cannot be written (\(reason)); check that the folder exists and has room"
    }
  }
}
