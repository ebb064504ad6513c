internal import Recipes
package import Rewards
internal import Torch

/// One entry of `rewards`: a reward and its weight.
package struct RewardRecipe: Sendable, Equatable {
  package var reward: RewardEntry
  /// Weight in the sum of rewards.
  package var weight: Double
}

extension RewardRecipe {
  /// Reads the list `rewards`.
  ///
  /// - Parameter device: the model's device, the default for rewards with a network.
  static func list(_ root: RecipeSection, device: Device) -> [RewardRecipe] {
    let rewards = root.sections("rewards").map { section in
      RewardRecipe(
        reward: RewardEntry(section, device: device),
        weight: section.double("weight", in: -1e6...1e6, default: 1))
    }
    if rewards.isEmpty {
      root.report("rewards", "needs at least one entry, such as {name: shapes, weight: 1}")
    }
    if rewards.allSatisfy({ $0.weight == 0 }), !rewards.isEmpty {
      root.report("rewards", "every weight is 0, so there is nothing to learn")
    }
    RewardEntry.checkLabels(rewards.map(\.reward), of: "rewards", root)
    return rewards
  }
}

extension RewardEntry {
  /// Reports a label of two entries in the list `key`.
  static func checkLabels(_ entries: [RewardEntry], of key: String, _ root: RecipeSection) {
    let labels = entries.map(\.label)
    if let twice = labels.first(where: { label in labels.count { $0 == label } > 1 }) {
      root.report(key, "two entries are called \(twice); give one of them a label")
    }
  }
}
