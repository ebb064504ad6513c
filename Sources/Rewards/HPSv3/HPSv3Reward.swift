import ImageFiles
import Torch

/// HPSv3 (arXiv 2508.03789): what people would score an image for its quality and its prompt, about
/// 0...15 and higher for better ones.
package actor HPSv3Reward: Reward {
  package nonisolated let name: String
  private let network: HPSv3Network
  private let batchSize: Int
  private let executor = NetworkExecutor.shared

  package nonisolated var unownedExecutor: UnownedSerialExecutor {
    executor.asUnownedSerialExecutor()
  }

  /// Reads the network from the folder `settings.model`.
  ///
  /// Throws ``RewardError/setting(reward:key:reason:)``, which names what is missing and where it
  /// is published.
  package init(_ settings: RewardSettings) throws(RewardError) {
    name = settings.label
    batchSize = settings.batchSize
    network = try HPSv3Network(settings)
  }

  /// Scores every image; images of one size go through the network together. A prompt that holds a
  /// token of the network's own, or an image more than 200 times as long as wide, has no score.
  package func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    var scores = RewardScores(total: [Double?](repeating: nil, count: samples.count))
    var ready: [(index: Int, size: Qwen2VLImageSize, ids: [Int])] = []
    for (index, sample) in samples.enumerated() {
      switch network.prepare(sample) {
      case .ready(let size, let ids): ready.append((index, size, ids))
      case .unscored(let reason): scores.reasons[index] = reason
      }
    }
    while let size = ready.first?.size {
      let batch = ready.filter { $0.size == size }.prefix(batchSize)
      let indices = Set(batch.map(\.index))
      ready.removeAll { indices.contains($0.index) }
      let found = withoutGradient {
        network.scores(
          images: batch.map { samples[$0.index].image }, ids: batch.map(\.ids), size: size)
      }
      for (entry, score) in zip(batch, found) {
        if score.isFinite {
          scores.total[entry.index] = score
        } else {
          scores.reasons[entry.index] = NetworkScores.noNumber
        }
      }
    }
    return scores
  }
}
