import Foundation
package import Foundations
internal import Synchronization

/// A service that implements the protocol of `docs/rewards/protocol.md`, over HTTP or in a child
/// process.
package struct RemoteService: Sendable {
  /// The label of the reward, for errors and messages.
  package let reward: String
  private let channel: any RequestChannel
  private let images: ImageTransport
  private let batchSize: Int

  init(
    reward: String, channel: any RequestChannel, images: ImageTransport, batchSize: Int
  ) {
    self.reward = reward
    self.channel = channel
    self.images = images
    self.batchSize = batchSize
  }

  /// A service at the addresses of `settings`.
  ///
  /// - Parameters:
  ///   - path: appended to every address: `score` or another path of the protocol.
  ///   - batchSize: the largest number of samples in one request.
  /// - Throws: ``RewardError/setting(reward:key:reason:)`` for an address or a key that cannot be
  ///   used.
  package static func http(
    _ settings: ServiceSettings, path: String, batchSize: Int
  ) throws(RewardError) -> RemoteService {
    RemoteService(
      reward: settings.label, channel: try HTTPWorker.all(settings, path: path), images: .inline,
      batchSize: batchSize)
  }

  /// Sends samples, a batch per request, several requests at once.
  ///
  /// - Parameter read: reads the values of `count` samples from the answer of `sender`.
  /// - Returns: the batches in order: their sample counts, and the values or the fault.
  /// - Throws: ``RewardError/failed(reward:reason:)`` for a permanent fault.
  package func ask<Answer: Sendable>(
    _ samples: [RewardSample],
    read: @escaping @Sendable (JSONValue, _ count: Int, _ sender: String) throws(RemoteFault)
      -> Answer
  ) async throws(RewardError) -> [(count: Int, answer: Result<Answer, RemoteFault>)] {
    let encoded = try await EncodedImages(samples, reward: reward)
    let batches = stride(from: 0, to: samples.count, by: batchSize).map {
      Batch(samples, encoded, $0..<min($0 + batchSize, samples.count))
    }
    let answers = try await concurrently(batches, reward: reward) {
      batch async throws(RemoteFault) in
      try await ask(batch: batch, read: read)
    }
    return zip(batches, answers).map { ($0.samples.count, $1) }
  }

  /// Writes a message about a score that is not finite, once.
  func noteNotFinite(_ detail: String) async { await channel.note(.notFinite, detail) }

  private func ask<Answer: Sendable>(
    batch: Batch,
    read: @escaping @Sendable (JSONValue, Int, String) throws(RemoteFault) -> Answer
  ) async throws(RemoteFault) -> Answer {
    let identifier = UUID().uuidString
    let pictures = HandedImages(batch, images)
    defer { pictures.remove() }
    let request = ScoringRequest(identifier: identifier, count: batch.samples.count) {
      () throws(RemoteFault) in
      ScoringProtocol.request(
        batch.samples, images: try pictures.images(), identifier: identifier)
    }
    return try await channel.ask(request) { bytes, sender throws(RemoteFault) in
      let answer = try ScoringProtocol.answer(bytes, identifier: identifier, from: sender)
      return try read(answer, batch.samples.count, sender)
    }
  }
}

/// The samples of one request with their PNG files.
private struct Batch: Sendable {
  let samples: [RewardSample]
  private let files: [EncodedImages.Sample]
  /// The distinct sources of these samples by their index in `EncodedImages.sources`.
  private let sources: [Int: [UInt8]]

  init(_ samples: [RewardSample], _ images: EncodedImages, _ range: Range<Int>) {
    self.samples = Array(samples[range])
    files = Array(images.samples[range])
    var sources: [Int: [UInt8]] = [:]
    for index in files.flatMap(\.sources) { sources[index] = images.sources[index] }
    self.sources = sources
  }

  /// The images of each sample as they stand in the request.
  ///
  /// - Parameter hand: called once for every result and every distinct source, with a name that no
  ///   other image of the batch has.
  func images(
    _ hand: (_ name: String, _ bytes: [UInt8]) throws -> ScoringProtocol.Image
  ) rethrows -> [ScoringProtocol.Images] {
    var shared: [Int: ScoringProtocol.Image] = [:]
    for (index, bytes) in sources { shared[index] = try hand("source-\(index)", bytes) }
    return try files.enumerated().map { index, file in
      .init(
        result: try hand("\(index)", file.result),
        sources: file.sources.compactMap { shared[$0] })
    }
  }
}

/// Runs `work` for all items concurrently and returns the results in order.
///
/// - Throws: ``RewardError/failed(reward:reason:)`` at the first permanent fault.
func concurrently<Item: Sendable, Value: Sendable>(
  _ items: [Item], reward: String,
  _ work: @escaping @Sendable (Item) async throws(RemoteFault) -> Value
) async throws(RewardError) -> [Result<Value, RemoteFault>] {
  var results = [Result<Value, RemoteFault>?](repeating: nil, count: items.count)
  let permanent = await withTaskGroup(
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
  if let permanent { throw .failed(reward: reward, reason: permanent) }
  return results.compactMap(\.self)
}

/// The result of `work`. Swift 6.3 mixes up the results of a group's tasks when the task itself
/// catches a typed error, so the catch has its own function.
private func outcome<Item: Sendable, Value: Sendable>(
  of item: Item, _ work: @Sendable (Item) async throws(RemoteFault) -> Value
) async -> Result<Value, RemoteFault> {
  do throws(RemoteFault) {
    return .success(try await work(item))
  } catch {
    return .failure(error)
  }
}

/// The images of a batch as a request hands them over; files are written for the first attempt.
private final class HandedImages: Sendable {
  private let batch: Batch
  private let transport: ImageTransport
  private let files = Mutex<(folder: TemporaryImages, images: [ScoringProtocol.Images])?>(nil)

  init(_ batch: Batch, _ transport: ImageTransport) {
    self.batch = batch
    self.transport = transport
  }

  func images() throws(RemoteFault) -> [ScoringProtocol.Images] {
    switch transport {
    case .inline:
      return batch.images { _, bytes in .inline(Data(bytes).base64EncodedString()) }
    case .paths:
      do {
        return try files.withLock { files throws -> [ScoringProtocol.Images] in
          if let files { return files.images }
          let folder = try TemporaryImages()
          do {
            let images = try batch.images { name, bytes in .path(try folder.write(bytes, name)) }
            files = (folder, images)
            return images
          } catch {
            folder.remove()
            throw error
          }
        }
      } catch {
        throw .permanent(detail: "its images cannot be handed over: \(error)")
      }
    }
  }

  func remove() {
    files.withLock { files in
      files?.folder.remove()
      files = nil
    }
  }
}

/// PNG files in a folder of their own.
private struct TemporaryImages {
  private let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory
      .appending(path: "tempflow-images-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
  }

  /// Writes `NAME.png` and returns its path.
  func write(_ bytes: [UInt8], _ name: String) throws -> String {
    let file = folder.appending(path: "\(name).png")
    try Data(bytes).write(to: file)
    return file.path(percentEncoded: false)
  }

  /// Best effort; the folder is temporary.
  func remove() {
    do { try FileManager.default.removeItem(at: folder) } catch {}
  }
}
