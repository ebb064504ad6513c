package import Recipes
package import Torch

/// Reads the text in images, for ``OCRReward``.
package protocol TextReader: Sendable {
  /// The text of every image, in the samples' order; empty where there is none.
  ///
  /// - Throws: ``RewardError`` when the whole batch fails.
  func read(_ samples: [RewardSample]) async throws(RewardError) -> [Detection<String>]
}

/// How well the image shows the text that the prompt quotes, 0...1 (``QuotedText``).
///
/// A sample whose prompt quotes no text, or whose image could not be read, has no score.
package struct OCRReward: Reward {
  package let name: String
  package let imagesAtOnce: Int?
  private let reader: any TextReader

  package init(
    _ reader: any TextReader, name: String = OCRFactory.name, imagesAtOnce: Int? = nil
  ) {
    self.reader = reader
    self.imagesAtOnce = imagesAtOnce
    self.name = name
  }

  package func score(_ samples: [RewardSample]) async throws(RewardError) -> RewardScores {
    let targets = samples.map { QuotedText(in: $0.prompt) }
    let readable = samples.indices.filter { targets[$0] != nil }
    let detections = try await reader.read(readable.map { samples[$0] })
    precondition(detections.count == readable.count, "one detection per image")
    var scores = RewardScores(total: Array(repeating: nil, count: samples.count))
    for index in samples.indices where targets[index] == nil {
      scores.reasons[index] = "the prompt quotes no text"
    }
    for (index, detection) in zip(readable, detections) {
      switch detection {
      case .seen(let text): scores.total[index] = targets[index]?.score(text)
      case .unseen(let reason): scores.reasons[index] = reason
      }
    }
    return scores
  }
}

/// `ocr`: ``OCRReward`` with the keys `backend`, `batch_size` and those of ``ServiceSettings``.
package struct OCRFactory: ServiceRewardFactory {
  /// The reader of text.
  package enum Backend: String, CaseIterable, Sendable {
    /// The program tesseract on this machine.
    case tesseract
    /// A service.
    case remote
  }

  package static let name = "ocr"
  package var backend = Backend.tesseract
  /// The largest number of images in one process or request, 1...
  package var batchSize = 16
  package var service: ServiceSettings

  package init(_ service: ServiceSettings = ServiceSettings(label: name)) { self.service = service }

  package init(_ section: RecipeSection, label: String, device: Device) {
    backend = section.choice("backend", default: .tesseract)
    batchSize = section.batchSize(default: batchSize)
    service = ServiceSettings(
      section, label: label,
      unusedBecause: backend == .remote ? nil : "backend is \(backend.rawValue)")
  }

  /// The settings of one process: its share of the service's requests in flight, or of the host's
  /// processes of tesseract.
  package func placed(at place: RewardPlace) throws(RewardError) -> OCRFactory {
    var placed = self
    switch backend {
    case .tesseract: placed.service.concurrency = place.localShare(of: service.concurrency).count
    case .remote: placed.service = service.placed(at: place)
    }
    return placed
  }

  package func check() throws(RewardError) {
    switch backend {
    case .tesseract: _ = try TesseractReader.program(for: label)
    case .remote: try service.check()
    }
  }

  package func makeReward() throws(RewardError) -> any Reward {
    let reader: any TextReader =
      switch backend {
      case .tesseract: try TesseractReader(self)
      case .remote: try RemoteReader(service, batchSize: batchSize)
      }
    return OCRReward(
      reader, name: label, imagesAtOnce: service.concurrency * batchSize)
  }
}
