/// Draws whose algorithm is fixed here; the standard library's may change with its version.
extension RandomNumberGenerator {
  /// A uniform number in 0 ..< `count`.
  ///
  /// Multiply-shift with rejection: Lemire, "Fast random integer generation in an interval"
  /// (arXiv 1805.10941).
  package mutating func index(below count: Int) -> Int {
    let range = UInt64(count)
    let threshold = (0 &- range) % range
    while true {
      let (high, low) = next().multipliedFullWidth(by: range)
      if low >= threshold { return Int(high) }
    }
  }

  /// The elements in random order: Fisher-Yates from the last place to the first. O(n).
  package mutating func shuffled<Element>(_ elements: [Element]) -> [Element] {
    var result = elements
    for last in stride(from: result.count - 1, to: 0, by: -1) {
      result.swapAt(last, index(below: last + 1))
    }
    return result
  }

  /// The numbers 0 ..< `count` in random order; see `shuffled(_:)`.
  package mutating func permutation(_ count: Int) -> [Int] { shuffled(Array(0..<count)) }

  /// `count` of the elements, drawn without replacement: Fisher-Yates from the first place on.
  ///
  /// All elements drawn are all elements in the order of Swift 6.3's `shuffled(using:)`.
  package mutating func sample<Element>(_ count: Int, of elements: [Element]) -> [Element] {
    var result = elements
    for place in 0..<max(0, min(count, result.count - 1)) {
      result.swapAt(place, place + index(below: result.count - place))
    }
    return Array(result.prefix(count))
  }
}
