/// Which (trunk, step) pairs of an epoch's rollout each optimizer update learns from.
///
/// One shuffle per epoch, a pure function of (seed, epoch), cut into `updates` parts of equal size
/// and each part into micro-batches that fit the memory. So an update sees a mix of prompts and of
/// steps, and a resumed run sees the same mix.
package struct UpdateSplit: Sendable {
  /// (trunk, step) pairs of the rollout; a multiple of `updates`.
  package let pairs: Int
  /// Optimizer updates an epoch.
  package let updates: Int
  /// Pairs of one forward pass at most.
  package let microBatch: Int
  /// The run's seed.
  package let seed: UInt64

  package init(pairs: Int, updates: Int, microBatch: Int, seed: UInt64) {
    precondition(updates > 0 && microBatch > 0 && pairs % updates == 0, "updates of equal size")
    self.pairs = pairs
    self.updates = updates
    self.microBatch = microBatch
    self.seed = seed
  }

  /// Pairs of one update.
  package var pairsPerUpdate: Int { pairs / updates }

  /// Forward passes of one update when no pair is skipped.
  package var microBatchesPerUpdate: Int { (pairsPerUpdate + microBatch - 1) / microBatch }

  /// Pairs of each forward pass on a GPU, where all have one size, the last filled up.
  package var pairsPerForward: Int {
    (pairsPerUpdate + microBatchesPerUpdate - 1) / microBatchesPerUpdate
  }

  /// The pairs of each update in `epoch`, as numbers in 0 ..< `pairs`.
  package func updates(epoch: Int) -> [[Int]] {
    var shuffle = Shuffle(seed, 0x7570_6461_7465, UInt64(epoch))
    let order = shuffle.permutation(pairs)
    return stride(from: 0, to: pairs, by: pairsPerUpdate).map {
      Array(order[$0..<($0 + pairsPerUpdate)])
    }
  }

  /// `update` cut into micro-batches.
  package func microBatches(of update: [Int]) -> [[Int]] {
    stride(from: 0, to: update.count, by: microBatch).map {
      Array(update[$0..<min($0 + microBatch, update.count)])
    }
  }
}
