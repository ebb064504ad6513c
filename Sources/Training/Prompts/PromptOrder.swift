internal import Foundations

/// Which prompts an epoch trains on: shuffled passes over the prompt file.
///
/// A pure function of (seed, epoch, index): epoch e uses the prompts numbered e·P ..< (e+1)·P of an
/// endless sequence of passes, each of which is a new permutation of all prompts. Every prompt is
/// used once before any is used twice, and a resumed run needs no loader state.
package struct PromptOrder: Sendable {
  /// Prompts in the file.
  package let count: Int
  /// P, prompts of an epoch.
  package let promptsPerEpoch: Int
  /// The run's seed.
  package let seed: UInt64

  package init(count: Int, promptsPerEpoch: Int, seed: UInt64) {
    precondition(count > 0 && promptsPerEpoch > 0, "an epoch needs prompts")
    self.count = count
    self.promptsPerEpoch = promptsPerEpoch
    self.seed = seed
  }

  /// Positions in the prompt file, `promptsPerEpoch` of them, for `epoch`, which counts from 0.
  package func prompts(epoch: Int) -> [Int] {
    var chosen: [Int] = []
    chosen.reserveCapacity(promptsPerEpoch)
    var position = epoch * promptsPerEpoch
    while chosen.count < promptsPerEpoch {
      let (pass, offset) = position.quotientAndRemainder(dividingBy: count)
      let order = permutation(pass: pass)
      let taken = min(count - offset, promptsPerEpoch - chosen.count)
      chosen += order[offset..<(offset + taken)]
      position += taken
    }
    return chosen
  }

  /// The positions of the first `epochs` epochs, each once, in the order of first use.
  package func used(epochs: Int) -> [Int] {
    var seen: Set<Int> = []
    var used: [Int] = []
    for epoch in 0..<epochs where used.count < count {
      for position in prompts(epoch: epoch) where seen.insert(position).inserted {
        used.append(position)
      }
    }
    return used
  }

  private func permutation(pass: Int) -> [Int] {
    var generator = SplitMix64(trainingStream: [seed, 0x7072_6F6D_7074, UInt64(pass)])
    return generator.permutation(count)
  }
}
