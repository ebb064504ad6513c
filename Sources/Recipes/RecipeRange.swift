/// The valid numbers of a setting: `1...`, `0...1`, `..<10`, `.above(0)`, `.any`.
package protocol RecipeRange<Bound> {
  /// `Int` or `Double`.
  associatedtype Bound: Comparable

  /// Whether a value is valid.
  func contains(_ value: Bound) -> Bool

  /// The limits in words, following "must be": "at least 1", "between 0 and 1".
  var limits: String { get }

  /// A valid value, returned after an error so that reading can go on.
  var standIn: Bound { get }
}

/// A bound without the `.0` of a whole floating-point number.
private func short(_ bound: some Any) -> String {
  let text = "\(bound)"
  return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}

extension ClosedRange: RecipeRange {
  package var limits: String { "between \(short(lowerBound)) and \(short(upperBound))" }
  package var standIn: Bound { lowerBound }
}

extension Range: RecipeRange {
  package var limits: String { "at least \(short(lowerBound)) and below \(short(upperBound))" }
  package var standIn: Bound { lowerBound }
}

extension PartialRangeFrom: RecipeRange {
  package var limits: String { "at least \(short(lowerBound))" }
  package var standIn: Bound { lowerBound }
}

extension PartialRangeThrough: RecipeRange {
  package var limits: String { "at most \(short(upperBound))" }
  package var standIn: Bound { upperBound }
}

/// The numbers above a bound, which is excluded.
package struct NumbersAbove: RecipeRange {
  let lower: Double
  let upper: Double?

  package func contains(_ value: Double) -> Bool {
    value > lower && upper.map { value <= $0 } ?? true
  }

  package var limits: String {
    let above = "above \(short(lower))"
    return upper.map { "\(above) and at most \(short($0))" } ?? above
  }

  package var standIn: Double { upper ?? lower + 1 }
}

/// Every finite number.
package struct AnyNumber: RecipeRange {
  package func contains(_ value: Double) -> Bool { value.isFinite }
  package var limits: String { "finite" }
  package var standIn: Double { 0 }
}

extension RecipeRange where Self == NumbersAbove {
  /// Numbers above `lower`, which is excluded.
  package static func above(_ lower: Double) -> Self { Self(lower: lower, upper: nil) }

  /// Numbers above `lower`, up to and including `upper`.
  package static func above(_ lower: Double, through upper: Double) -> Self {
    Self(lower: lower, upper: upper)
  }
}

extension RecipeRange where Self == AnyNumber {
  /// Every finite number.
  package static var any: Self { Self() }
}
