/// The scorers by the names that recipes and commands use.
package enum RewardRegistry {
  /// Every name that can be scored, sorted.
  package static let names = (["shapes"] + JPEGReward.Goal.allCases.map(\.rawValue)).sorted()

  /// Rewards that a recipe may name and this version cannot compute yet: a plan can be made, a run
  /// cannot begin.
  package static let notBuilt: Set<String> = [
    "aesthetic", "clipscore", "geneval", "hpsv2", "hpsv3", "imagereward", "ocr", "pickscore",
    "unifiedreward", "vlm",
  ]

  /// Whether a reward judges images against what a prompt of the shapes task must show.
  package static func judgesScenes(_ name: String) -> Bool { name == "shapes" }

  /// The modes of a reward, its default first; empty for a reward that has none.
  ///
  /// Throws ``RewardError/unknown(name:known:)`` for a name that is in neither ``names`` nor
  /// ``notBuilt``.
  package static func modes(of name: String) throws(RewardError) -> [String] {
    if name == "shapes" { return ShapesReward.Mode.allCases.map(\.rawValue) }
    guard names.contains(name) || notBuilt.contains(name) else {
      throw .unknown(name: name, known: names)
    }
    return []
  }

  /// The scorer with this name, in its default mode when `mode` is nil.
  ///
  /// Throws ``RewardError`` for an unknown name or mode, or a reward that is not built.
  package static func reward(
    _ name: String, mode: String? = nil
  ) throws(RewardError) -> any Reward {
    let known = try modes(of: name)
    if let mode, !known.contains(mode) {
      throw .unknownMode(reward: name, mode: mode, known: known)
    }
    if let goal = JPEGReward.Goal(rawValue: name) { return JPEGReward(goal) }
    guard name == "shapes" else { throw .notBuilt(name: name, built: names) }
    return ShapesReward(mode: mode.flatMap(ShapesReward.Mode.init) ?? .partial)
  }
}
