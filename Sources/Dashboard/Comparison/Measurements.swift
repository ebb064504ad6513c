/// Measurements of one quantity, such as a method's accuracy under several seeds.
package struct Measurements: Codable, Equatable, Sendable {
  /// In any order.
  package let values: [Double]

  /// Makes a set of measurements.
  package init(_ values: [Double]) {
    self.values = values
  }

  /// Their mean; nil without any.
  package var mean: Double? {
    values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
  }

  /// Standard error of the mean, from the sample standard deviation (n - 1); nil below two values.
  package var standardError: Double? {
    guard values.count > 1, let mean else { return nil }
    let squares = values.map { ($0 - mean) * ($0 - mean) }.reduce(0, +)
    return (squares / Double(values.count - 1) / Double(values.count)).squareRoot()
  }
}
