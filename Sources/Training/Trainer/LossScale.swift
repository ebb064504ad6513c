internal import Foundation

/// The factor of the gradients on their way through a float16 network, a power of two, so that
/// multiplying and dividing round nothing (arXiv 1710.03740, section 3.2).
///
/// The smallest number of float16 is 6e-8, while dL/dv of a mean over 65,536 elements is 1e-8. An
/// update whose gradients exceed float16's range is computed again with a sixteenth of the factor,
/// so none is lost; after `interval` consecutive updates within it the factor is doubled.
package struct LossScale: Codable, Equatable, Sendable {
  package private(set) var value: Double
  private var successes = 0

  private static let interval = 500
  private static let largest = 0x1p40

  /// The first factor, at which dL/dv is near 1: dL/dv falls as 1 / (elements x samples).
  package init(elements: Int, samples: Int) {
    value = min(exp2(log2(Double(elements * samples)).rounded(.down)), Self.largest)
  }

  /// Takes a sixteenth of the factor, at least 1; false when it is 1 already, so that the overflow
  /// has another cause.
  package mutating func lower() -> Bool {
    guard value > 1 else { return false }
    value = max(value / 16, 1)
    successes = 0
    return true
  }

  /// Counts an update within the range.
  package mutating func succeed() {
    successes += 1
    guard successes >= Self.interval, value < Self.largest else { return }
    value *= 2
    successes = 0
  }
}
