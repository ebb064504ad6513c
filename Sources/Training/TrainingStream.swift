package import Foundations

extension SplitMix64 {
  /// The generator of a shuffle in training: the order of prompts, or the split into updates.
  ///
  /// - Parameter words: run seed, purpose, epoch or pass.
  package init(trainingStream words: [UInt64]) {
    self.init(seed: Self.hash(words, from: 0x5445_4D50_464C_4F57))
  }
}
