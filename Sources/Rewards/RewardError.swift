/// Why rewards could not be had; the description names the reward and the remedy.
package enum RewardError: Error, Equatable, CustomStringConvertible {
  /// No scorer has this name.
  case unknown(name: String, known: [String])
  /// The scorer has no such mode.
  case unknownMode(reward: String, mode: String, known: [String])
  /// The scorer failed on the whole batch.
  case failed(reward: String, reason: String)

  package var description: String {
    switch self {
    case .unknown(let name, let known):
      "no reward is named \"\(name)\"; there is \(known.joined(separator: ", "))"
    case .unknownMode(let reward, let mode, let known):
      "the reward \(reward) has no mode \"\(mode)\"; there is \(known.joined(separator: ", "))"
    case .failed(let reward, let reason):
      "the reward \(reward) failed: \(reason)"
    }
  }
}
