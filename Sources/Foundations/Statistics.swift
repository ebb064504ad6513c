/// Count, mean, deviation and standard error of some values.
///
/// Equal values have a deviation of exactly 0, whatever the mean's rounding error.
package struct Statistics: Sendable, Hashable {
  /// How many values there are.
  package let count: Int
  /// Their mean; nil without values.
  package let mean: Double?
  /// Sum of the squared differences from the mean.
  private let squares: Double

  /// The statistics of some values.
  package init(_ values: [Double]) {
    count = values.count
    guard let first = values.first else {
      (mean, squares) = (nil, 0)
      return
    }
    let mean = values.reduce(0, +) / Double(count)
    self.mean = mean
    squares =
      values.allSatisfy { $0 == first }
      ? 0 : values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
  }

  /// The statistics of the values that are present.
  package init(_ values: [Double?]) { self.init(values.compactMap { $0 }) }

  /// Population standard deviation (divisor n); nil without values.
  package var deviation: Double? { mean == nil ? nil : (squares / Double(count)).squareRoot() }

  /// Standard error of the mean: the sample's standard deviation (divisor n - 1) over the root of
  /// n; nil below two values.
  package var standardError: Double? {
    let n = Double(count)
    return count < 2 ? nil : (squares / (n - 1) / n).squareRoot()
  }
}
