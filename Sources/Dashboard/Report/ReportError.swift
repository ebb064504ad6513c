package import ImageFiles

/// Why a report or comparison could not be made; the description names the file and the remedy.
package enum ReportError: Error, CustomStringConvertible {
  /// The sample grid and its sheet contradict each other.
  case sheetMismatch(path: String, reason: String)
  /// An image of the run is damaged.
  case image(ImageFileError)

  package var description: String {
    switch self {
    case .sheetMismatch(let path, let reason):
      "\(path): the sample grid does not fit its sheet (\(reason)); delete both to go without"
    case .image(let error): error.description
    }
  }
}
