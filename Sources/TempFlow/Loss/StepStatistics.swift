/// Statistics of updates at one trained step, as sums over evaluated samples.
public struct StepStatistics: Hashable, Sendable {
  /// Evaluated samples, and their rows (branches).
  public private(set) var sampleCount = 0, rowCount = 0
  /// Rows with a positive and with a negative advantage.
  public private(set) var positiveCount = 0, negativeCount = 0
  /// Those of them whose gradient the clip removed.
  public private(set) var clippedPositive = 0.0, clippedNegative = 0.0
  /// Sums of logp_new - logp_old and of its square over rows.
  public private(set) var logRatio = 0.0, squaredLogRatio = 0.0
  /// Sum of the distance to the reference over samples.
  public private(set) var divergence = 0.0
  /// Sum of |dL/dv|^2 over samples.
  public private(set) var squaredGradient = 0.0

  /// Nothing evaluated.
  public init() {}

  /// The share of rows with a positive advantage whose gradient the clip removed; nil without one.
  public var clipFractionPositive: Double? { Self.ratio(clippedPositive, positiveCount) }
  /// The same of negative advantages.
  public var clipFractionNegative: Double? { Self.ratio(clippedNegative, negativeCount) }
  /// Mean of logp_new - logp_old over rows.
  public var meanLogRatio: Double? { Self.ratio(logRatio, rowCount) }
  /// Mean of the KL term over samples.
  public var klDivergence: Double? { Self.ratio(divergence, sampleCount) }

  private static func ratio(_ sum: Double, _ count: Int) -> Double? {
    count == 0 ? nil : sum / Double(count)
  }

  /// Adds a sample.
  ///
  /// - Parameter values: its row of statistics, `PolicyLoss.columns`.
  mutating func add(_ sample: TrainingSample, _ values: [Double]) {
    sampleCount += 1
    rowCount += sample.advantages.count
    positiveCount += sample.advantages.count { $0 > 0 }
    negativeCount += sample.advantages.count { $0 < 0 }
    divergence += values[2]
    logRatio += values[5]
    squaredLogRatio += values[6]
    clippedPositive += values[7]
    clippedNegative += values[8]
    squaredGradient += values[9]
  }

  /// The sum over steps in ascending order. A dictionary's order varies between processes, and with
  /// it the last bits of a sum.
  public static func total(_ steps: [Int: Self]) -> Self {
    steps.sorted { $0.key < $1.key }.reduce(Self()) { $0 + $1.value }
  }

  public static func + (first: Self, second: Self) -> Self {
    var sum = first
    sum.sampleCount += second.sampleCount
    sum.rowCount += second.rowCount
    sum.positiveCount += second.positiveCount
    sum.negativeCount += second.negativeCount
    sum.clippedPositive += second.clippedPositive
    sum.clippedNegative += second.clippedNegative
    sum.logRatio += second.logRatio
    sum.squaredLogRatio += second.squaredLogRatio
    sum.divergence += second.divergence
    sum.squaredGradient += second.squaredGradient
    return sum
  }
}
