internal import Foundations

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
  SplitMix64.hash(
    [run] + [epoch, prompt, seed, step, branch].map { UInt64(bitPattern: Int64($0)) })
}
