/// The range of the probability ratio beyond which a sample has no gradient: from `1 - low` to
/// `1 + high`.
///
/// `low` and `high` are equal in PPO. With a larger `high` (DAPO, arXiv 2503.14476) an unlikely
/// sample with a positive advantage can gain more.
public struct ClipRange: Hashable, Sendable, ExpressibleByFloatLiteral {
  /// How far the ratio may fall, 0...1.
  public var low: Double
  /// How far the ratio may rise.
  public var high: Double

  public init(low: Double, high: Double) {
    self.low = low
    self.high = high
  }

  /// A range of equal sides.
  public init(_ width: Double) { self.init(low: width, high: width) }

  public init(floatLiteral value: Double) { self.init(value) }

  /// The ratios that keep their gradient.
  public var ratios: ClosedRange<Double> { 1 - low...1 + high }

  /// The smaller side: a deviation up to it is clipped for no advantage.
  public var narrow: Double { min(low, high) }

  /// `0.0001`, or `[0.0001, 0.0005]` with unequal sides, as in a recipe.
  public var text: String { low == high ? "\(low)" : "[\(low), \(high)]" }
}
