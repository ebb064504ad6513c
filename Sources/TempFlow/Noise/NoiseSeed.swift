/// The seed of one random tensor of a run, a pure function of the tensor's place in the run.
///
/// Every tensor has a random stream of its own, so any image can be regenerated alone and no result
/// depends on how work is divided. The six numbers are absorbed one after the other,
/// `h <- mix(h xor number)`, starting from 0, where `mix` adds SplitMix64's increment
/// 0x9E3779B97F4A7C15 and applies its finalizer.
///
/// - Parameters:
///   - run: the run's seed.
///   - epoch: the training epoch, from 0.
///   - prompt: the prompt's number.
///   - seed: the seed's number among the prompt's.
///   - step: the denoising step that the noise belongs to; -1 is the initial noise.
///   - branch: the branch's number at that step.
///
/// Source of the mixing: Steele, Lea and Flood, "Fast splittable pseudorandom number generators".
/// libtorch's CPU generators use the lower 32 bits.
public func noiseSeed(
  run: UInt64, epoch: Int, prompt: Int, seed: Int, step: Int, branch: Int
) -> UInt64 {
  [epoch, prompt, seed, step, branch].reduce(SplitMix64.mix(run)) { hash, number in
    SplitMix64.mix(hash ^ UInt64(bitPattern: Int64(number)))
  }
}

/// A small generator for shuffles and choices, equal on every platform.
public struct SplitMix64: RandomNumberGenerator, Hashable, Sendable {
  private var state: UInt64

  /// A stream that is a function of `seed` alone.
  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    defer { state &+= Self.increment }
    return Self.mix(state)
  }

  private static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15

  static func mix(_ value: UInt64) -> UInt64 {
    var mixed = value &+ increment
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
