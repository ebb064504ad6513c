internal import Foundations

/// Why rewards are not available; the description names the reward and the remedy.
package enum RewardError: Error, Equatable, CustomStringConvertible {
  /// No reward has this name.
  case unknown(name: String, known: [String])
  /// A setting is missing, or has a value that cannot work; `key` is its key in a recipe.
  case setting(reward: String, key: String, reason: String)
  /// The reward failed on the whole batch.
  case failed(reward: String, reason: String)
  /// More scores are missing than the limit allows.
  case missing(String)

  package var description: String {
    switch self {
    case .unknown(let name, let known):
      "no reward is named \"\(name)\"; there is \(known.joined(separator: ", "))"
        + (nearest(to: name, among: known).map { "; did you mean \"\($0)\"?" } ?? "")
    case .setting(let reward, let key, let reason):
      "the reward \(reward) cannot be set up: \(key) \(reason)"
    case .failed(let reward, let reason):
      "the reward \(reward) failed: \(reason)"
    case .missing(let text):
      text
    }
  }
}
