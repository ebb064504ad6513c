/// SHA-256 (FIPS 180-4), for telling a damaged file from a sound one.
package struct SHA256 {
  private static let blockSize = 64

  private var state: [UInt32] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a,
    0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
  ]
  private var schedule = [UInt32](repeating: 0, count: 64)
  private var rest: [UInt8] = []
  private var byteCount: UInt64 = 0

  /// Starts with no bytes taken in.
  package init() {}

  /// Takes in more bytes.
  package mutating func update(_ bytes: UnsafeRawBufferPointer) {
    byteCount += UInt64(bytes.count)
    var start = 0
    if !rest.isEmpty {
      start = min(Self.blockSize - rest.count, bytes.count)
      rest.append(contentsOf: bytes[..<start])
      guard rest.count == Self.blockSize else { return }
      let block = rest
      block.withUnsafeBytes { compress($0) }
      rest.removeAll(keepingCapacity: true)
    }
    while start + Self.blockSize <= bytes.count {
      compress(UnsafeRawBufferPointer(rebasing: bytes[start..<start + Self.blockSize]))
      start += Self.blockSize
    }
    rest.append(contentsOf: bytes[start...])
  }

  /// The digest of everything taken in, as 64 hexadecimal digits.
  package consuming func digest() -> String {
    let bitCount = byteCount * 8
    var padding: [UInt8] = [0x80]
    let filled = (rest.count + 1) % Self.blockSize
    padding += [UInt8](repeating: 0, count: (Self.blockSize + 56 - filled) % Self.blockSize)
    padding += (0..<8).map { UInt8(truncatingIfNeeded: bitCount >> (56 - 8 * UInt64($0))) }
    padding.withUnsafeBytes { update($0) }
    return state.map { word in
      let text = String(word, radix: 16)
      return String(repeating: "0", count: 8 - text.count) + text
    }.joined()
  }

  /// The compression function of FIPS 180-4, section 6.2.2; letters as there.
  private mutating func compress(_ block: UnsafeRawBufferPointer) {
    state.withUnsafeMutableBufferPointer { state in
      schedule.withUnsafeMutableBufferPointer { w in
        Self.constants.withUnsafeBufferPointer { k in
          for t in 0..<16 {
            w[t] = UInt32(
              bigEndian: block.loadUnaligned(fromByteOffset: 4 * t, as: UInt32.self))
          }
          for t in 16..<64 {
            let s0 = Self.turn(w[t - 15], 7) ^ Self.turn(w[t - 15], 18) ^ (w[t - 15] &>> 3)
            let s1 = Self.turn(w[t - 2], 17) ^ Self.turn(w[t - 2], 19) ^ (w[t - 2] &>> 10)
            w[t] = w[t - 16] &+ s0 &+ w[t - 7] &+ s1
          }
          var (a, b, c, d) = (state[0], state[1], state[2], state[3])
          var (e, f, g, h) = (state[4], state[5], state[6], state[7])
          for t in 0..<64 {
            let sum1 = Self.turn(e, 6) ^ Self.turn(e, 11) ^ Self.turn(e, 25)
            let choice = (e & f) ^ (~e & g)
            let first = h &+ sum1 &+ choice &+ k[t] &+ w[t]
            let sum0 = Self.turn(a, 2) ^ Self.turn(a, 13) ^ Self.turn(a, 22)
            let majority = (a & b) ^ (a & c) ^ (b & c)
            (h, g, f, e) = (g, f, e, d &+ first)
            (d, c, b, a) = (c, b, a, first &+ sum0 &+ majority)
          }
          state[0] &+= a
          state[1] &+= b
          state[2] &+= c
          state[3] &+= d
          state[4] &+= e
          state[5] &+= f
          state[6] &+= g
          state[7] &+= h
        }
      }
    }
  }

  @inline(__always)
  private static func turn(_ word: UInt32, _ count: UInt32) -> UInt32 {
    (word &>> count) | (word &<< (32 &- count))
  }

  /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
  private static let constants: [UInt32] = {
    var primes: [UInt64] = []
    var candidate: UInt64 = 2
    while primes.count < 64 {
      if primes.allSatisfy({ candidate % $0 != 0 }) { primes.append(candidate) }
      candidate += 1
    }
    return primes.map(cubeRootFraction)
  }()

  /// floor(cuberoot(prime) * 2^32) mod 2^32, by bisection on exact integers.
  private static func cubeRootFraction(_ prime: UInt64) -> UInt32 {
    let target = UInt128(prime) << 96
    var (low, high) = (UInt128(0), UInt128(1) << 36)
    while high - low > 1 {
      let middle = (low + high) / 2
      if middle * middle * middle <= target { low = middle } else { high = middle }
    }
    return UInt32(truncatingIfNeeded: low)
  }
}

extension SHA256 {
  /// The digest of some bytes, as 64 hexadecimal digits.
  package static func digest(of bytes: some Collection<UInt8>) -> String {
    var hash = SHA256()
    Array(bytes).withUnsafeBytes { hash.update($0) }
    return hash.digest()
  }

  /// The digest and length of a file, read in pieces.
  static func digest(ofFile path: String) throws(RunError) -> (digest: String, byteCount: Int) {
    let file = try OpenFile(path, for: .reading)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
    defer { buffer.deallocate() }
    var hash = SHA256()
    var byteCount = 0
    while true {
      let count = try file.read(into: buffer, at: byteCount)
      hash.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      byteCount += count
      if count < buffer.count { return (hash.digest(), byteCount) }
    }
  }
}
