internal import Foundations
internal import TempFlow

/// The training samples of each optimizer update of an epoch.
///
/// One shuffle per epoch, a pure function of (seed, epoch), is split into `updates` parts of equal
/// size. An update mixes prompts and steps, and a resumed run repeats the split.
package struct UpdateSplit: Sendable {
  /// Training samples, one per (trunk, step) of the rollout; a multiple of `updates`.
  package let samples: Int
  /// Optimizer updates of an epoch.
  package let updates: Int
  /// Maximum samples of one forward pass.
  package let microBatch: Int
  /// The run's seed.
  package let seed: UInt64

  package init(samples: Int, updates: Int, microBatch: Int, seed: UInt64) {
    precondition(updates > 0 && microBatch > 0 && samples % updates == 0, "updates of equal size")
    self.samples = samples
    self.updates = updates
    self.microBatch = microBatch
    self.seed = seed
  }

  /// The split of a recipe's epochs.
  init(_ recipe: TrainingRecipe) {
    self.init(
      samples: recipe.trainingSamplesPerEpoch, updates: recipe.optimizer.updatesPerEpoch,
      microBatch: recipe.optimizer.microBatch, seed: recipe.seed)
  }

  /// Samples of one update.
  package var samplesPerUpdate: Int { samples / updates }

  /// Forward passes of one update without skipped samples.
  package var passesPerUpdate: Int { microBatchCount(of: samplesPerUpdate, limit: microBatch) }

  /// Samples of each forward pass on a GPU, where all passes have one size and the last is padded.
  package var samplesPerPass: Int { (samplesPerUpdate + passesPerUpdate - 1) / passesPerUpdate }

  /// The samples of each update in `epoch`, as indices in 0 ..< `samples`.
  package func updates(epoch: Int) -> [[Int]] {
    var generator = SplitMix64(trainingStream: [seed, 0x7570_6461_7465, UInt64(epoch)])
    let order = generator.permutation(samples)
    return stride(from: 0, to: samples, by: samplesPerUpdate).map {
      Array(order[$0..<($0 + samplesPerUpdate)])
    }
  }
}
