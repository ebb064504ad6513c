package import Rewards
internal import Runs
package import Torch

/// One entry of `held_out_rewards`: a reward that is scored on evaluation images and not trained on.
package struct HeldOutReward: Sendable, Equatable {
  /// What an alarm does.
  package enum Action: String, CaseIterable, Sendable {
    /// The run says so and goes on.
    case warn
    /// The run says so, saves and stops.
    case stop
  }

  /// What the scorer is made from.
  package var reward: RewardSettings
  /// How far its mean may fall while the trained reward rises, in the reward's units.
  package var threshold: Double
  /// Evaluations on end at which it must lie below, for an alarm.
  package var patience: Int
  package var action: Action
}

extension HeldOutReward {
  /// Reads the list `held_out_rewards`.
  ///
  /// - Parameter device: where the model runs, and networks that score unless told otherwise.
  static func list(_ root: RecipeSection, device: Device) -> [HeldOutReward] {
    let rewards = root.sections("held_out_rewards").map { HeldOutReward($0, device: device) }
    let labels = rewards.map(\.reward.label)
    if let twice = labels.first(where: { label in labels.count { $0 == label } > 1 }) {
      root.report("held_out_rewards", "two entries are called \(twice); give one of them a label")
    }
    return rewards
  }

  private init(_ section: RecipeSection, device: Device) {
    reward = RewardSettings(section, device: device)
    threshold = section.double("threshold", in: 0...1e9)
    patience = section.int("patience", in: 1...1000, default: 2)
    action = section.choice("action", default: .warn)
  }
}
