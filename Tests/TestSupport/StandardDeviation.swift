package import Torch

/// The standard deviation of all elements, in float64.
///
/// - Parameter correction: 0 for the population's deviation, 1 for the sample's.
package func standardDeviation(_ tensor: Tensor, correction: Int) -> Double {
  let values = tensor.doubles()
  let mean = values.reduce(0, +) / Double(values.count)
  let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
  return (squares / Double(values.count - correction)).squareRoot()
}
