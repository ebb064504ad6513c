/// Why a tokenizer's files cannot be read or written.
public enum TokenizerError: Error, Equatable, CustomStringConvertible {
  /// A file is missing or cannot be read.
  case unreadable(path: String, reason: String)
  /// A file cannot be written.
  case unwritable(path: String, reason: String)
  /// A file has an invalid format.
  case malformed(path: String, reason: String)
  /// The configuration is of another tokenizer.
  case wrongClass(path: String, expected: String, found: String)
  /// An unknown key of the configuration, which may change the ids.
  case unknownKey(path: String, key: String)
  /// A known key with an unsupported value.
  case unsupported(path: String, key: String, reason: String)
  /// A special token or the result of a merge is not in the vocabulary.
  case missingToken(path: String, token: String)

  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "\(path): cannot be read: \(reason)"
    case .unwritable(let path, let reason): "\(path): cannot be written: \(reason)"
    case .malformed(let path, let reason): "\(path): \(reason)"
    case .wrongClass(let path, let expected, let found):
      "\(path): describes a \(found), not a \(expected)"
    case .unknownKey(let path, let key): "\(path): unknown key '\(key)'"
    case .unsupported(let path, let key, let reason): "\(path): '\(key)': \(reason)"
    case .missingToken(let path, let token): "\(path): the vocabulary has no token '\(token)'"
    }
  }
}
