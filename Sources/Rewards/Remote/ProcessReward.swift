/// Scores from a child process, in any language: JSON lines on its standard input and output, as
/// `docs/rewards/process.md` describes.
package struct ProcessReward: Reward {
  package let name: String
  private let service: RemoteService

  /// Nothing is started yet.
  ///
  /// - Throws: `RewardError.setting` for a command that is empty.
  package init(_ settings: RewardSettings) throws(RewardError) {
    guard !settings.command.isEmpty else {
      throw .setting(reward: settings.label, key: .command, reason: "is required and missing")
    }
    name = settings.label
    let notice = RewardNotice.standardError(settings.label)
    let children = (0..<settings.concurrency).map { _ in
      ChildWorker(
        command: settings.command, directory: settings.directory, maximumBytes: 16_000_000,
        notice: notice)
    }
    service = RemoteService(
      reward: settings.label,
      workers: RemoteWorkers(
        children, limit: settings.concurrency, limitPerWorker: 1, policy: RetryPolicy(settings),
        notice: notice),
      images: settings.imageTransport, batchSize: settings.batchSize)
  }

  /// Asks the children for every sample's score, starting them as needed.
  ///
  /// A sample whose score could not be had is nil, with why in ``RewardScores/reasons``. Throws
  /// ``RewardError/failed(reward:reason:)`` for a command that cannot be started, or that ends
  /// before it has ever answered.
  package func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    try await service.scores(samples)
  }
}
