package import Recipes
package import Torch

/// Scores from an HTTP server that implements the protocol of `docs/rewards/protocol.md`.
package struct HTTPReward: Reward {
  package let name: String
  package let imagesAtOnce: Int?
  private let service: RemoteService

  /// - Throws: ``RewardError/setting(reward:key:reason:)`` for an address or a key that cannot be
  ///   used.
  package init(_ settings: HTTPFactory) throws(RewardError) {
    name = settings.label
    imagesAtOnce = settings.service.concurrency * settings.batchSize
    service = try .http(settings.service, path: "score", batchSize: settings.batchSize)
  }

  /// Scores every sample with the servers.
  ///
  /// A sample without a score is nil, with the reason in ``RewardScores/reasons``.
  ///
  /// - Throws: ``RewardError/failed(reward:reason:)`` for a fault that only a person can fix: a
  ///   wrong address, a missing key, another version of the protocol.
  package func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    try await service.scores(samples)
  }
}

/// `http`: ``HTTPReward`` with the keys of ``ServiceSettings`` and `batch_size`.
package struct HTTPFactory: ServiceRewardFactory {
  package static let name = "http"
  package static let sourceImages = SourceImages.optional
  package var service: ServiceSettings
  /// The largest number of images in one request, 1...
  package var batchSize = 16

  package init(_ service: ServiceSettings) { self.service = service }

  package init(_ section: RecipeSection, label: String, device: Device) {
    service = ServiceSettings(section, label: label)
    batchSize = section.batchSize(default: batchSize)
  }

  package func check() throws(RewardError) { try service.check() }

  package func makeReward() throws(RewardError) -> any Reward { try HTTPReward(self) }
}

extension RemoteService {
  /// The scores of samples, with the reasons of those that have none.
  func scores(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    let batches = try await ask(samples) { answer, count, sender throws(RemoteFault) in
      try ScoringProtocol.scores(answer, count: count, from: sender)
    }
    for batch in batches {
      if case .success(let answer) = batch.answer, let remark = answer.remark {
        await noteNotFinite(remark)
      }
    }
    return RewardScores(
      joining: batches.map { RewardScores($0.answer.map(\.scores), count: $0.count) })
  }
}

extension RewardScores {
  /// The scores of `count` samples; after a fault all are nil.
  init(_ result: Result<RewardScores, RemoteFault>, count: Int) {
    switch result {
    case .success(let scores):
      self = scores
    case .failure(let fault):
      self.init(total: Array(repeating: nil, count: count))
      guard case .transient(let reason, _, _) = fault else { return }
      for index in total.indices { reasons[index] = reason.rawValue }
    }
  }
}
