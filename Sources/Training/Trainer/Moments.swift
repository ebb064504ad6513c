/// Mean and population standard deviation of the values that are present.
struct Moments {
  let mean: Double
  let deviation: Double

  /// nil when there is no value.
  init?(_ values: [Double?]) {
    let present = values.compactMap { $0 }
    guard !present.isEmpty else { return nil }
    let count = Double(present.count)
    let mean = present.reduce(0, +) / count
    self.mean = mean
    deviation = (present.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count).squareRoot()
  }
}
