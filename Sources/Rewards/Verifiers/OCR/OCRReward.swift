/// Reads the text in images, for ``OCRReward``.
package protocol TextReader: Sendable {
  /// What is written in every image, in the samples' order; empty text where there is none.
  ///
  /// Throws ``RewardError`` when it fails as a whole.
  func read(_ samples: [RewardSample]) async throws(RewardError) -> [Detection<String>]
}

/// How well the image shows the text that the prompt quotes, 0...1; see ``QuotedText``.
///
/// A sample whose prompt quotes no text, or whose image could not be read, cannot be scored.
package struct OCRReward: Reward {
  package let name: String
  private let reader: any TextReader

  package init(_ reader: any TextReader, name: String = "ocr") {
    self.reader = reader
    self.name = name
  }

  package func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    let targets = samples.map { QuotedText(in: $0.prompt) }
    let readable = samples.indices.filter { targets[$0] != nil }
    let sightings = try await reader.read(readable.map { samples[$0] })
    precondition(sightings.count == readable.count, "a reader answers for every image")
    var scores = RewardScores(total: Array(repeating: nil, count: samples.count))
    for index in samples.indices where targets[index] == nil {
      scores.reasons[index] = "the prompt quotes no text"
    }
    for (index, sighting) in zip(readable, sightings) {
      switch sighting {
      case .seen(let text): scores.total[index] = targets[index]?.score(text)
      case .unseen(let reason): scores.reasons[index] = reason
      }
    }
    return scores
  }
}

extension OCRReward {
  /// The scorer of checked settings.
  ///
  /// Throws ``RewardError`` when the engine is not installed, or its address or key cannot be used.
  init(_ settings: RewardSettings) throws(RewardError) {
    let reader: any TextReader =
      settings.isRemote ? try RemoteReader(settings) : try TesseractReader(settings)
    self.init(reader, name: settings.label)
  }
}
