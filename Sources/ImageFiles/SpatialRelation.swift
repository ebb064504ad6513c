/// The position of one object relative to another, in GenEval's words.
package enum SpatialRelation: String, CaseIterable, Codable, Hashable, Sendable {
  case leftOf = "left of"
  case rightOf = "right of"
  case above
  case below

  /// The strength of this relation between `subject` and `reference`, -1...1; the relation holds
  /// above ``threshold``.
  ///
  /// GenEval's `relative_position` (arXiv 2310.11513): the offset of the centers, each axis reduced
  /// by a tenth of both boxes' extents, over the length of the full offset. Two relations can hold
  /// between diagonal neighbors.
  package func strength(subject: BoundingBox, reference: BoundingBox) -> Float {
    let dx = subject.centerX - reference.centerX
    let dy = subject.centerY - reference.centerY
    let length = (dx * dx + dy * dy).squareRoot()
    if length < 1e-3 { return 0 }
    let slackX = Self.slack * 2 * (subject.halfWidth + reference.halfWidth)
    let slackY = Self.slack * 2 * (subject.halfHeight + reference.halfHeight)
    switch self {
    case .leftOf: return Self.reduced(-dx, slackX) / length
    case .rightOf: return Self.reduced(dx, slackX) / length
    case .above: return Self.reduced(-dy, slackY) / length
    case .below: return Self.reduced(dy, slackY) / length
    }
  }

  /// The relation holds where the strength is above this.
  package static let threshold: Float = 0.5

  private static let slack: Float = 0.1

  private static func reduced(_ offset: Float, _ slack: Float) -> Float {
    let rest = max(offset.magnitude - slack, 0)
    return offset < 0 ? -rest : rest
  }
}
