/// What is wrong with a tokenizer's files.
public enum TokenizerError: Error, Equatable, CustomStringConvertible {
  /// A file is missing or cannot be read.
  case unreadable(path: String, reason: String)
  /// A file cannot be written.
  case unwritable(path: String, reason: String)
  /// A file does not have the form it must have.
  case malformed(path: String, reason: String)
  /// The configuration names another tokenizer.
  case wrongClass(path: String, expected: String, found: String)
  /// A key of the configuration that is not known and may change the ids.
  case unknownKey(path: String, key: String)
  /// A known key with a value that cannot be followed.
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
