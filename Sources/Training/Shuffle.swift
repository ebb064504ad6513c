/// A deterministic shuffle: SplitMix64 draws, Fisher-Yates order. The same on every machine, in
/// every process and with every version of the standard library.
package struct Shuffle {
  private var state: UInt64

  /// A shuffle decided by `words`, such as (run seed, purpose, epoch).
  package init(_ words: UInt64...) {
    state = 0x5445_4D50_464C_4F57
    for word in words {
      state ^= word
      state = next()
    }
  }

  /// The numbers 0 ..< `count` in this shuffle's order. O(count).
  package mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    guard count > 1 else { return order }
    for last in stride(from: count - 1, to: 0, by: -1) {
      order.swapAt(last, below(last + 1))
    }
    return order
  }

  /// A number in 0 ..< `bound`, without modulo bias (Lemire's multiply-shift, with rejection).
  private mutating func below(_ bound: Int) -> Int {
    let range = UInt64(bound)
    let threshold = (0 &- range) % range
    while true {
      let (high, low) = next().multipliedFullWidth(by: range)
      if low >= threshold { return Int(high) }
    }
  }

  /// SplitMix64 (Steele, Lea and Flood 2014).
  private mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
