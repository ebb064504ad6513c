package import Recipes
package import Torch

/// Scores from a child process, in any language: JSON lines on its standard input and output
/// (`docs/rewards/process.md`).
package struct ProcessReward: Reward {
  package let name: String
  package let imagesAtOnce: Int?
  private let service: RemoteService

  /// Starts no process yet.
  ///
  /// - Throws: ``RewardError/setting(reward:key:reason:)`` for an empty command, and
  ///   ``RewardError/failed(reward:reason:)`` when the host's processes cannot meet.
  package init(_ settings: ProcessFactory) throws(RewardError) {
    try settings.check()
    name = settings.label
    imagesAtOnce =
      settings.place.localShare(of: settings.concurrency).count * settings.batchSize
    service = RemoteService(
      reward: settings.label, channel: try Self.channel(settings),
      images: settings.imageTransport, batchSize: settings.batchSize)
  }

  /// The way to the children, which local rank 0 starts.
  private static func channel(
    _ settings: ProcessFactory
  ) throws(RewardError) -> any RequestChannel {
    let (place, label) = (settings.place, settings.label)
    let notice = RewardNotice.standardError(label)
    if place.localRank > 0 {
      return PeerWorkers(
        Rendezvous(place, label: label), label: settings.command.joined(separator: " "),
        count: settings.concurrency, rank: place.rank, timeout: settings.retry.timeout,
        notice: notice)
    }
    let answers = ChildWorker.Answers()
    let children = (0..<settings.concurrency).map { _ in
      ChildWorker(
        command: settings.command, directory: settings.directory, answers: answers,
        maximumBytes: 16_000_000,
        notice: notice)
    }
    let workers = RemoteWorkers(
      children, limit: settings.concurrency, limitPerWorker: 1, policy: settings.retry,
      notice: notice)
    guard place.localSize > 1 else { return workers }
    return try SharedWorkers(
      workers, count: settings.concurrency, place: place, reward: label)
  }

  /// Scores every sample; children are started as needed.
  ///
  /// A sample without a score is nil, with the reason in ``RewardScores/reasons``.
  ///
  /// - Throws: ``RewardError/failed(reward:reason:)`` for a command that cannot be started, or that
  ///   ends before its first answer.
  package func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    try await service.scores(samples)
  }
}

/// How images reach a service.
package enum ImageTransport: String, CaseIterable, Sendable {
  /// As paths of PNG files, which exist until the answer has arrived.
  case paths
  /// As base64 text of a PNG.
  case inline
}

/// `process`: ``ProcessReward`` with the keys `command`, `directory`, `timeout`, `retries`,
/// `outage_timeout`, `concurrency`, `batch_size` and `image_transport`.
package struct ProcessFactory: RewardFactory {
  package static let name = "process"
  package static let sourceImages = SourceImages.optional
  package let label: String
  /// The program, looked up as by a shell, and its arguments.
  package var command: [String] = []
  /// The program's working directory; nil is this process's own.
  package var directory: String?
  package var retry = RetryPolicy()
  /// The number of child processes of a host, 1... Each loads its own model, so the default is one.
  package var concurrency = 1
  /// The largest number of images in one message, 1...
  package var batchSize = 16
  package var imageTransport = ImageTransport.paths
  /// The process among those of its host, of which local rank 0 starts the children.
  package private(set) var place = RewardPlace.alone

  package init(label: String = name) { self.label = label }

  package init(_ section: RecipeSection, label: String, device: Device) {
    self.label = label
    command = section.list("command", of: .string, default: [])
    directory = section.path("directory", default: ".")
    retry.read(section)
    concurrency = section.int("concurrency", in: 1...1024, default: concurrency)
    batchSize = section.batchSize(default: batchSize)
    imageTransport = section.choice("image_transport", default: imageTransport)
  }

  package func check() throws(RewardError) {
    if command.isEmpty {
      throw .setting(reward: label, key: "command", reason: "is required and missing")
    }
  }

  package func placed(at place: RewardPlace) throws(RewardError) -> ProcessFactory {
    var placed = self
    placed.place = place
    return placed
  }

  package func makeReward() throws(RewardError) -> any Reward { try ProcessReward(self) }
}
