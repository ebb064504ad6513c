import Foundation
import ImageFiles
package import JSON

/// A service that speaks the protocol of `docs/rewards/protocol.md`, over HTTP or in a child
/// process.
package struct RemoteService: Sendable {
  /// What errors and messages call the reward that the service is for.
  package let reward: String
  private let workers: RemoteWorkers
  private let images: RewardSettings.ImageTransport
  private let batchSize: Int

  init(
    reward: String, workers: RemoteWorkers, images: RewardSettings.ImageTransport, batchSize: Int
  ) {
    self.reward = reward
    self.workers = workers
    self.images = images
    self.batchSize = batchSize
  }

  /// A service at the addresses of `settings`.
  ///
  /// - Parameter path: what is asked of it, under every address: `score`, or another of the
  ///   protocol.
  /// - Throws: `RewardError.setting` for an address or a key that cannot be used.
  package static func http(
    _ settings: RewardSettings, path: String
  ) throws(RewardError) -> RemoteService {
    RemoteService(
      reward: settings.label, workers: try HTTPWorker.all(settings, path: path), images: .inline,
      batchSize: settings.batchSize)
  }

  /// Asks about samples, a batch to a request, several requests at once.
  ///
  /// - Parameter read: takes what belongs to `count` samples out of the answer of `sender`.
  /// - Returns: the batches in order: their sample counts, and what was read or why there is
  ///   nothing.
  /// - Throws: `RewardError.failed` for a fault that a person has to see to.
  package func ask<Answer: Sendable>(
    _ samples: [RewardSample],
    read: @escaping @Sendable (JSONValue, _ count: Int, _ sender: String) throws(RemoteFault)
      -> Answer
  ) async throws(RewardError) -> [(count: Int, answer: Result<Answer, RemoteFault>)] {
    let batches = stride(from: 0, to: samples.count, by: batchSize).map {
      Array(samples[$0..<min($0 + batchSize, samples.count)])
    }
    let answers = try await concurrently(batches, reward: reward) {
      batch async throws(RemoteFault) in
      try await ask(batch: batch, read: read)
    }
    return zip(batches, answers).map { ($0.count, $1) }
  }

  /// Tells of a score that is not finite, once.
  func noteNotFinite(_ detail: String) async { await workers.note(.notFinite, detail) }

  private func ask<Answer: Sendable>(
    batch: [RewardSample],
    read: @escaping @Sendable (JSONValue, Int, String) throws(RemoteFault) -> Answer
  ) async throws(RemoteFault) -> Answer {
    let identifier = UUID().uuidString
    var folder: TemporaryImages?
    defer { folder?.remove() }
    let pictures: [ScoringProtocol.Image]
    do {
      let files = try batch.map { try PNG.encode($0.image) }
      switch images {
      case .inline: pictures = files.map { .inline($0) }
      case .paths:
        let made = try TemporaryImages(files)
        folder = made
        pictures = made.paths.map { .path($0) }
      }
    } catch {
      throw .permanent(detail: "its images cannot be handed over: \(error)")
    }
    let request = ScoringProtocol.request(batch, images: pictures, identifier: identifier)
    return try await workers.ask(request) { bytes, sender throws(RemoteFault) in
      let answer = try ScoringProtocol.answer(bytes, identifier: identifier, from: sender)
      return try read(answer, batch.count, sender)
    }
  }
}

/// Does `work` for every item at once and returns the results in order.
///
/// - Throws: `RewardError.failed` as soon as one meets a lasting fault.
func concurrently<Item: Sendable, Value: Sendable>(
  _ items: [Item], reward: String,
  _ work: @escaping @Sendable (Item) async throws(RemoteFault) -> Value
) async throws(RewardError) -> [Result<Value, RemoteFault>] {
  var results = [Result<Value, RemoteFault>?](repeating: nil, count: items.count)
  let lasting = await withTaskGroup(
    of: (Int, Result<Value, RemoteFault>).self, returning: String?.self
  ) { group in
    for (index, item) in items.enumerated() {
      group.addTask { (index, await outcome(of: item, work)) }
    }
    for await (index, result) in group {
      results[index] = result
      if case .failure(.permanent(let detail)) = result {
        group.cancelAll()
        return detail
      }
    }
    return nil
  }
  if let lasting { throw .failed(reward: reward, reason: lasting) }
  return results.compactMap(\.self)
}

/// A function of its own: Swift 6.3 pairs outcomes with other tasks' items when a task of a group
/// catches a typed error itself.
private func outcome<Item: Sendable, Value: Sendable>(
  of item: Item, _ work: @Sendable (Item) async throws(RemoteFault) -> Value
) async -> Result<Value, RemoteFault> {
  do throws(RemoteFault) {
    return .success(try await work(item))
  } catch {
    return .failure(error)
  }
}

/// PNG files in a folder of their own.
private struct TemporaryImages {
  private let folder: URL
  let paths: [String]

  init(_ files: [[UInt8]]) throws {
    folder = FileManager.default.temporaryDirectory
      .appending(path: "tempflow-images-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    var paths: [String] = []
    for (index, bytes) in files.enumerated() {
      let file = folder.appending(path: "\(index).png")
      try Data(bytes).write(to: file)
      paths.append(file.path(percentEncoded: false))
    }
    self.paths = paths
  }

  /// Best effort: what is left of a temporary folder harms nobody.
  func remove() {
    do { try FileManager.default.removeItem(at: folder) } catch {}
  }
}
