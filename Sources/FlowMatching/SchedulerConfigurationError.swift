/// Why a `scheduler_config.json` cannot be turned into a schedule.
public enum SchedulerConfigurationError: Error, Hashable, Sendable {
  /// The file could not be read.
  case unreadable(path: String, reason: String)
  /// The file is not JSON of this format.
  case malformed(path: String, reason: String)
  /// A setting selects an unsupported grid.
  case unsupported(path: String, key: String, value: String)
  /// A number is out of range.
  case outOfRange(path: String, key: String, value: String)

  /// The same error with the file it came from.
  func located(at path: String) -> SchedulerConfigurationError {
    switch self {
    case .unreadable(_, let reason): .unreadable(path: path, reason: reason)
    case .malformed(_, let reason): .malformed(path: path, reason: reason)
    case .unsupported(_, let key, let value): .unsupported(path: path, key: key, value: value)
    case .outOfRange(_, let key, let value): .outOfRange(path: path, key: key, value: value)
    }
  }
}

extension SchedulerConfigurationError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .unreadable(let path, let reason):
      "\(path): cannot be read (\(reason)); a diffusers folder holds it as scheduler/"
        + "scheduler_config.json"
    case .malformed(let path, let reason):
      "\(path): not a scheduler configuration (\(reason)); compare it with the model's original"
    case .unsupported(let path, let key, let value):
      "\(path): \(key) = \(value) is not supported; use FlowMatchEulerDiscreteScheduler with "
        + "this switch off"
    case .outOfRange(let path, let key, let value):
      "\(path): \(key) = \(value) is out of range; compare it with the model's original"
    }
  }
}
