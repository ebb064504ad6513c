package import Torch

/// The Euclidean distance of `found` from `expected`, relative to the length of `expected`.
///
/// Computed in float64; infinite when shapes differ, so that a test fails.
package func relativeError(_ found: Tensor, _ expected: Tensor) -> Double {
  guard found.shape == expected.shape else { return .infinity }
  return relativeError(found.doubles(), expected.doubles())
}

/// The Euclidean distance of `found` from `expected`, relative to the length of `expected`.
package func relativeError(_ found: [Double], _ expected: [Double]) -> Double {
  guard found.count == expected.count else { return .infinity }
  let distance = zip(found, expected).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
  let length = expected.reduce(0) { $0 + $1 * $1 }
  return length > 0 ? (distance / length).squareRoot() : distance.squareRoot()
}

/// The largest difference of two elements; infinite when shapes differ or one is not a number.
package func largestDifference(_ found: Tensor, _ expected: Tensor) -> Double {
  guard found.shape == expected.shape else { return .infinity }
  return zip(found.doubles(), expected.doubles()).reduce(0) {
    let difference = abs($1.0 - $1.1)
    return difference.isNaN ? .infinity : max($0, difference)
  }
}
