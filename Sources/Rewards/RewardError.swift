/// Why rewards could not be had; the description names the reward and the remedy.
package enum RewardError: Error, Equatable, CustomStringConvertible {
  /// No scorer has this name.
  case unknown(name: String, known: [String])
  /// The scorer has no such mode.
  case unknownMode(reward: String, mode: String, known: [String])
  /// A label that cannot be part of a metric's name.
  case label(String)
  /// A setting is missing, or has a value that the scorer cannot work with.
  case setting(reward: String, key: RewardSettings.Key, reason: String)
  /// The scorer failed on the whole batch.
  case failed(reward: String, reason: String)
  /// More scores are missing than may be.
  case missing(String)

  package var description: String {
    switch self {
    case .unknown(let name, let known):
      "no reward is named \"\(name)\"; there is \(known.joined(separator: ", "))"
    case .unknownMode(let reward, let mode, let known):
      known.isEmpty
        ? "the reward \(reward) has no modes; leave mode out"
        : "the reward \(reward) has no mode \"\(mode)\"; there is \(known.joined(separator: ", "))"
    case .label(let label):
      "a reward cannot be called \"\(label)\"; use letters, digits, - and _"
    case .setting(let reward, let key, let reason):
      "the reward \(reward) cannot be set up: \(key.rawValue) \(reason)"
    case .failed(let reward, let reason):
      "the reward \(reward) failed: \(reason)"
    case .missing(let text):
      text
    }
  }
}
