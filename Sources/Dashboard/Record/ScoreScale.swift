/// How the scores of evaluations are shown: those that are 1 or 0 an image as shares in percent,
/// the others as they are.
package struct ScoreScale: Sendable, Equatable {
  /// What was scored, such as `shapes_strict` or `pickscore`.
  package let name: String
  /// Whether an image passes or fails, so that a mean is a share.
  package let isShare: Bool

  /// - Parameter name: of the score, as in `summary.json`.
  package init(_ name: String) {
    self.name = name
    isShare = name.hasSuffix("_strict") || name.hasSuffix("_official")
  }

  /// `accuracy`, or the score's own name.
  var title: String { isShare ? "accuracy" : name }
  /// `accuracy, %`, or the score's own name.
  var axisTitle: String { isShare ? "accuracy, %" : name }
  /// What a change is counted in: ` points`, or nothing.
  var points: String { isShare ? " points" : "" }

  /// A value as it is drawn: in percent, or as it is.
  func drawn(_ value: Double) -> Double { isShare ? value * 100 : value }
  /// `39.5 %`, or `0.871`.
  func text(_ mean: Double) -> String { "\(number(mean))\(isShare ? " %" : "")" }
  /// The same without a unit.
  func number(_ mean: Double) -> String { Figures.fixed(drawn(mean), decimals) }
  /// `+15.1`, or `+0.151`.
  func change(_ difference: Double) -> String { Figures.signed(drawn(difference), decimals) }

  private var decimals: Int { isShare ? 1 : 3 }
}
