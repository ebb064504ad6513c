/// Damages bytes like damaged files: changed, lost, repeated and truncated.
package struct Mutations {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  /// A number in 0 ..< count.
  package mutating func next(_ count: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % count
  }

  /// The bytes with one to four faults.
  package mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    for _ in 0...next(4) where !bytes.isEmpty {
      let place = next(bytes.count)
      switch next(5) {
      case 0: bytes[place] = UInt8(next(256))
      case 1: bytes.remove(at: place)
      case 2: bytes.insert(bytes[next(bytes.count)], at: place)
      case 3: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 8)], at: place)
      default: bytes.removeLast(next(bytes.count))
      }
    }
    return bytes
  }
}
