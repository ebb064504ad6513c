internal import Recipes
package import Rewards
internal import Torch

/// One entry of `held_out_rewards`: a reward that is scored on evaluation images only.
package struct HeldOutReward: Sendable, Equatable {
  /// The effect of an alarm.
  package enum Action: String, CaseIterable, Sendable {
    /// The run warns and continues.
    case warn
    /// The run warns, saves and stops.
    case stop
  }

  package var reward: RewardEntry
  /// The tolerated drop of the mean, in the reward's units, while the trained reward rises.
  package var threshold: Double
  /// Consecutive evaluations that must show a larger drop before the alarm.
  package var patience: Int
  package var action: Action
}

extension HeldOutReward {
  /// Reads the list `held_out_rewards`.
  ///
  /// - Parameter device: the model's device, the default for rewards with a network.
  static func list(_ root: RecipeSection, device: Device) -> [HeldOutReward] {
    let rewards = root.sections("held_out_rewards").map { HeldOutReward($0, device: device) }
    RewardEntry.checkLabels(rewards.map(\.reward), of: "held_out_rewards", root)
    return rewards
  }

  private init(_ section: RecipeSection, device: Device) {
    reward = RewardEntry(section, device: device)
    threshold = section.double("threshold", in: 0...1e9)
    patience = section.int("patience", in: 1...1000, default: 2)
    action = section.choice("action", default: .warn)
  }
}
