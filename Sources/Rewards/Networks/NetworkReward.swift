import Torch

/// A network that scores images.
protocol ScoringNetwork {
  /// The network's input for one sample.
  associatedtype Input = RewardSample

  /// The input of a sample.
  ///
  /// - Throws: ``SkippedSample`` for a sample that the network cannot score.
  func input(_ sample: RewardSample) throws(SkippedSample) -> Input
  /// Whether two inputs fit into one batch.
  func canShareBatch(_ first: Input, _ second: Input) -> Bool
  /// One score per input of a batch, in order; a score need not be a finite number.
  func scores(_ batch: [Input]) -> [Double]
}

extension ScoringNetwork where Input == RewardSample {
  func input(_ sample: RewardSample) -> RewardSample { sample }
}

extension ScoringNetwork {
  func canShareBatch(_ first: Input, _ second: Input) -> Bool { true }

  /// The scores of all samples.
  fileprivate func scores(_ samples: [RewardSample], batchSize: Int) -> RewardScores {
    var scores = RewardScores(total: [Double?](repeating: nil, count: samples.count))
    var waiting: [(index: Int, input: Input)] = []
    for (index, sample) in samples.enumerated() {
      do throws(SkippedSample) {
        waiting.append((index, try input(sample)))
      } catch {
        scores.reasons[index] = error.reason
      }
    }
    while let first = waiting.first {
      // Where a run stops, nobody waits for what has not begun.
      if Task.isCancelled {
        for sample in waiting { scores.reasons[sample.index] = "cancelled" }
        break
      }
      let batch = waiting.filter { canShareBatch(first.input, $0.input) }.prefix(batchSize)
      let indices = Set(batch.map(\.index))
      waiting.removeAll { indices.contains($0.index) }
      for (index, score) in zip(batch.map(\.index), self.scores(batch.map(\.input))) {
        if score.isFinite {
          scores.total[index] = score
        } else {
          scores.reasons[index] = "the network's score is no number"
        }
      }
    }
    return scores
  }
}

/// Scores samples with a network, a batch at a time.
actor NetworkReward<Network: ScoringNetwork>: Reward {
  nonisolated let name: String
  private let network: Network
  private let batchSize: Int
  /// Threads of one operator. A new thread starts with the number that was set last on any other
  /// thread, which is 1 during a rollout.
  private let threads = TorchRuntime.threadCount
  private let executor = NetworkExecutor.shared

  nonisolated var imagesAtOnce: Int? { batchSize }
  nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  /// - Parameter settings: the source of the label and the batch size.
  init(_ network: sending Network, _ settings: NetworkSettings) {
    self.network = network
    name = settings.label
    batchSize = settings.batchSize
  }

  /// Scores every sample; one that the network cannot score, or whose score is not finite, gets
  /// nil.
  func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    OutOfMemory.advised({ [name, batchSize] in
      OutOfMemory.Advice(
        place: "in the reward \(name) (batch_size: \(batchSize))",
        remedy: "Lower its batch_size, set its precision to bfloat16, or give it another device.")
    }) {
      TorchRuntime.withThreads(threads) {
        withoutGradient { network.scores(samples, batchSize: batchSize) }
      }
    }
  }
}
