import ImageFiles

/// The images of a batch of samples as PNG files. Equal sources are encoded once: the images of one
/// prompt share them.
struct EncodedImages: Sendable {
  /// The files of one sample.
  struct Sample: Sendable {
    /// The image to score.
    var result: [UInt8]
    /// Indices in ``EncodedImages/sources``, in the sample's order.
    var sources: [Int]
  }

  /// One per sample, in order.
  let samples: [Sample]
  /// The distinct sources of all samples, in the order of their first use.
  let sources: [[UInt8]]

  /// Encodes the images of all samples concurrently.
  ///
  /// - Throws: ``RewardError/failed(reward:reason:)`` for an image that libpng refuses.
  init(_ samples: [RewardSample], reward: String) async throws(RewardError) {
    var indices: [PixelBuffer: Int] = [:]
    var distinct: [PixelBuffer] = []
    let used = samples.map { sample in
      sample.sources.map { source in
        if let index = indices[source] { return index }
        indices[source] = distinct.count
        distinct.append(source)
        return distinct.count - 1
      }
    }
    let files = try await concurrently(samples.map(\.image) + distinct, reward: reward) {
      image async throws(RemoteFault) in
      try Self.encode(image)
    }
    let encoded = files.map { file in
      guard case .success(let bytes) = file else { preconditionFailure("every fault is permanent") }
      return bytes
    }
    self.samples = zip(encoded, used).map { Sample(result: $0, sources: $1) }
    sources = Array(encoded[samples.count...])
  }

  private static func encode(_ image: PixelBuffer) throws(RemoteFault) -> [UInt8] {
    do throws(ImageFileError) {
      return try PNG.encode(image)
    } catch {
      throw .permanent(detail: "its images cannot be handed over: \(error)")
    }
  }
}
