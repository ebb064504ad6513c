/// SplitMix64: a generator whose numbers are a function of the seed alone, on every machine and in
/// every process.
///
/// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
package struct SplitMix64: RandomNumberGenerator, Hashable, Sendable {
  private static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15

  private var state: UInt64

  /// The stream of `seed`.
  package init(seed: UInt64) { state = seed }

  /// The next 64 bits.
  package mutating func next() -> UInt64 {
    defer { state &+= Self.increment }
    return Self.mix(state)
  }

  /// One step of the generator as a hash: adds the increment and applies the finalizer.
  package static func mix(_ value: UInt64) -> UInt64 {
    var mixed = value &+ increment
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// A hash of several numbers: `h <- mix(h xor word)` for each in turn.
  ///
  /// - Parameter start: h before the first word; different starts give unrelated hashes.
  package static func hash(_ words: [UInt64], from start: UInt64 = 0) -> UInt64 {
    words.reduce(start) { mix($0 ^ $1) }
  }
}
