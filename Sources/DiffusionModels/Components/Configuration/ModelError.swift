/// What is wrong with a model's `config.json`.
public enum ModelError: Error, Equatable, CustomStringConvertible {
  /// The file cannot be read or is not a JSON object.
  case unreadable(path: String, reason: String)
  /// The file describes another class than the expected one.
  case wrongClass(path: String, expected: String, found: String)
  /// An unknown key, which may change the result.
  case unknownKey(path: String, key: String, nearest: String?)
  /// A known key with a value of the wrong type.
  case wrongType(path: String, key: String, reason: String)
  /// A known key with an unsupported value.
  case unsupported(path: String, key: String, reason: String)

  public var description: String {
    switch self {
    case .unreadable(let path, let reason):
      "\(path): cannot be read as a JSON object: \(reason)"
    case .wrongClass(let path, let expected, let found):
      "\(path): describes a \(found), not a \(expected); check that the folder is of this model"
    case .unknownKey(let path, let key, let nearest):
      "\(path): unknown key '\(key)'"
        + (nearest.map { "; the nearest known key is '\($0)'" }
          ?? "; its effect is unknown, so remove it only if the network is the same without it")
    case .wrongType(let path, let key, let reason):
      "\(path): '\(key)' has the wrong type: \(reason)"
    case .unsupported(let path, let key, let reason):
      "\(path): '\(key)': \(reason)"
    }
  }
}

/// An unsupported value of a configuration: the key and the reason.
public struct ConfigurationProblem: Error, Equatable {
  public let key: String
  public let reason: String

  public init(_ key: String, _ reason: String) {
    self.key = key
    self.reason = reason
  }
}
