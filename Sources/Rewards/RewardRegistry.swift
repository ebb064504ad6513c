/// The scorers by the names that recipes and commands use.
package enum RewardRegistry {
  /// Every name, sorted.
  package static let names = ["shapes"]

  /// The modes of a reward, its default first.
  ///
  /// Throws ``RewardError/unknown(name:known:)`` for a name that is not in ``names``.
  package static func modes(of name: String) throws(RewardError) -> [String] {
    switch name {
    case "shapes": ShapesReward.Mode.allCases.map(\.rawValue)
    default: throw .unknown(name: name, known: names)
    }
  }

  /// The scorer with this name, in its default mode when `mode` is nil.
  ///
  /// Throws ``RewardError`` for an unknown name or mode.
  package static func reward(
    _ name: String, mode: String? = nil
  ) throws(RewardError) -> any Reward {
    let known = try modes(of: name)
    let mode = mode ?? known[0]
    guard let shapesMode = ShapesReward.Mode(rawValue: mode) else {
      throw .unknownMode(reward: name, mode: mode, known: known)
    }
    return ShapesReward(mode: shapesMode)
  }
}
