import Foundations
import Testing

@Suite struct SplitMix64Tests {
  @Test func `the published numbers are drawn`() {
    var generator = SplitMix64(seed: 1_234_567)
    #expect(
      (0..<5).map { _ in generator.next() } == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
        4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
      ])
  }

  @Test func `the hash depends on every word, on their order and on the start`() {
    let hashes: Set<UInt64> = [
      SplitMix64.hash([1, 2]), SplitMix64.hash([2, 1]), SplitMix64.hash([1, 3]),
      SplitMix64.hash([1]), SplitMix64.hash([1, 2], from: 1),
    ]
    #expect(hashes.count == 5)
    #expect(SplitMix64.hash([7]) == SplitMix64.mix(7))
  }

  /// Recorded from Fisher-Yates with these seeds.
  @Test(arguments: [
    (3, [2, 1, 5, 6, 3, 4, 0]), (1_234_567, [2, 0, 6, 5, 4, 7, 8, 1, 3]),
  ] as [(UInt64, [Int])])
  func `a seed gives the same permutation on every machine`(_ seed: UInt64, _ order: [Int]) {
    var generator = SplitMix64(seed: seed)
    #expect(generator.permutation(order.count) == order)
    var other = SplitMix64(seed: seed)
    #expect(other.shuffled(order.indices.map { $0 * 2 }) == order.map { $0 * 2 })
  }

  /// Recorded from `shuffled(using:)` of Swift 6.3's standard library with the same generator.
  @Test(arguments: [
    (1, [0]), (1, [1, 0]), (3, [0, 5, 1, 3, 4, 6, 2]),
    (1_234_567, [3, 2, 5, 4, 8, 6, 7, 1, 0]),
    (.max, [17, 18, 5, 10, 15, 0, 19, 3, 2, 9, 7, 1, 12, 6, 4, 11, 8, 16, 14, 13]),
  ] as [(UInt64, [Int])])
  func `a sample is the beginning of one fixed order`(_ seed: UInt64, _ order: [Int]) {
    for count in 0...order.count {
      var generator = SplitMix64(seed: seed)
      #expect(generator.sample(count, of: Array(order.indices)) == Array(order.prefix(count)))
    }
  }

  @Test func `every index is drawn about as often as the others`() {
    var generator = SplitMix64(seed: 9)
    var counts = [Int](repeating: 0, count: 7)
    for _ in 0..<70_000 { counts[generator.index(below: 7)] += 1 }
    // Six standard deviations of a binomial count: sqrt(70000 * 1/7 * 6/7) is 93.
    #expect(counts.allSatisfy { abs($0 - 10_000) < 560 }, "\(counts)")
  }

  @Test func `draws below a bound near the generator's range reject the biased ones`() {
    // With 3 * 2^61 as bound a quarter of all draws is rejected, 0 among them.
    var generator = Fixed(numbers: [0, 1])
    #expect(generator.index(below: 3 << 61) == 0)
    #expect(generator.drawn == 2)
  }
}

/// A generator of given numbers.
private struct Fixed: RandomNumberGenerator {
  let numbers: [UInt64]
  var drawn = 0

  mutating func next() -> UInt64 {
    defer { drawn += 1 }
    return numbers[drawn]
  }
}
