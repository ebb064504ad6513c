internal import Foundations

extension RandomNumberGenerator {
  /// A uniform number in `range`, from 24 random bits.
  mutating func uniform(_ range: ClosedRange<Float>) -> Float {
    let unit = Float(next() >> 40) * 0x1p-24
    return range.lowerBound + (range.upperBound - range.lowerBound) * unit
  }

  /// One of the elements, uniformly.
  mutating func pick<Element>(_ elements: [Element]) -> Element {
    elements[index(below: elements.count)]
  }
}
