#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// An operation on a file or folder that the operating system refused.
package enum FileError: Error, Sendable, Hashable {
  /// No space (or no quota) is left.
  case diskFull(path: String)
  /// The folder that a file was to be written into is missing.
  case missingFolder(path: String)
  /// Any other refusal; `operation` is a verb such as "open".
  case system(path: String, operation: String, reason: String)

  /// The error of a failed call, from its `errno`.
  package init(_ code: Int32, path: String, operation: String) {
    switch code {
    case ENOSPC, EDQUOT: self = .diskFull(path: path)
    default: self = .system(path: path, operation: operation, reason: SystemError.text(code))
    }
  }

  /// The system's words for the refusal, without the path.
  package var reason: String {
    switch self {
    case .diskFull: SystemError.text(ENOSPC)
    case .missingFolder: SystemError.text(ENOENT)
    case .system(_, _, let reason): reason
    }
  }

  /// Whether the medium cannot be read, as after a fault of a disk.
  package var isMediumFault: Bool { reason == SystemError.text(EIO) }
}

extension FileError: CustomStringConvertible {
  /// One sentence on what happened.
  package var description: String {
    switch self {
    case .diskFull(let path):
      "No space is left to write \(path). Nothing written before is lost: make room and try again."
    case .missingFolder(let path):
      "There is no folder \(path) to write into."
    case .system(let path, let operation, let reason):
      "Cannot \(operation) \(path): \(reason)."
    }
  }
}
