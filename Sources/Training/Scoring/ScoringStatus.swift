/// How far a process is with its scores.
package struct ScoringStatus: Codable, Sendable, Equatable {
  /// Images of each piece that has not begun and may move, in the order in which they would begin.
  package var movable: [Int] = []
  /// Images without a score; those under way and those that may move are among them.
  package var unscored = 0
  package var underWay = 0
  package var scored = 0
  /// Seconds with an image under way.
  package var busySeconds = 0.0
  /// Seconds since work began or a piece was done, whichever is later; 0 with nothing under way.
  package var quietSeconds = 0.0
  /// Bytes of further images that the bound on memory leaves room for.
  package var room = 0
  package var hasFailed = false

  package init() {}

  /// Seconds per image; nil before there is a measure. A reward that has stood still for longer
  /// than its images took so far counts as that slow.
  package var pace: Double? {
    let mean = scored > 0 ? busySeconds / Double(scored) : nil
    guard underWay > 0, quietSeconds > 0 else { return mean }
    return max(mean ?? 0, quietSeconds / Double(underWay))
  }

  /// Seconds until the last of the images has its score, 0 before there is a measure.
  package var remaining: Double {
    guard let pace else { return 0 }
    return max(pace * Double(unscored) - quietSeconds, pace * Double(unscored - underWay))
  }
}
