internal import ImageFiles
package import Rewards
package import TempFlow

/// Images that are scored as one batch, on whichever process.
package struct ScoringPiece: Sendable {
  package let key: Key
  /// One per input.
  package let samples: [SampleID]
  package let inputs: [ScoringInput]
  /// Whether another process may score it: all its images exist, and it has not moved before.
  package let isMovable: Bool

  /// The process that made the images, and the number of the piece among those of the process.
  package struct Key: Hashable, Comparable, Codable, Sendable {
    package let rank: Int
    package let number: Int

    package init(rank: Int, number: Int) {
      self.rank = rank
      self.number = number
    }

    package static func < (one: Key, other: Key) -> Bool {
      (one.rank, one.number) < (other.rank, other.number)
    }
  }

  /// A piece of images that this process has made.
  package init(_ key: Key, _ samples: [SampleID], _ inputs: [ScoringInput]) {
    self.init(key, samples, inputs, isMovable: inputs.allSatisfy { $0.sample != nil })
  }

  /// A piece that another process has made.
  init(moved key: Key, _ samples: [SampleID], _ inputs: [RewardSample]) {
    self.init(key, samples, inputs.map(ScoringInput.success), isMovable: false)
  }

  private init(
    _ key: Key, _ samples: [SampleID], _ inputs: [ScoringInput], isMovable: Bool
  ) {
    precondition(samples.count == inputs.count, "one name per image")
    self.key = key
    self.samples = samples
    self.inputs = inputs
    self.isMovable = isMovable
  }

  /// Bytes of the images' pixels.
  var byteCount: Int { inputs.reduce(0) { $0 + ($1.sample?.image.pixels.count ?? 0) } }
}

/// The scores of a piece.
package struct ScoredPiece: Sendable {
  package let key: ScoringPiece.Key
  package let samples: [SampleID]
  /// One per reward, with one score per sample.
  package let columns: [RewardScores]
  /// Seconds that scoring took.
  package let seconds: Double
}

/// The samples are one list of numbers, since a process reads thousands of them in every epoch.
extension ScoredPiece: Codable {
  private enum CodingKeys: CodingKey {
    case key, places, columns, seconds
  }

  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let places = try values.decode([Int].self, forKey: .places)
    key = try values.decode(ScoringPiece.Key.self, forKey: .key)
    samples = stride(from: 0, to: places.count - 2, by: 3).map { index in
      SampleID(
        trunk: places[index], step: places[index + 1] < 0 ? nil : places[index + 1],
        branch: places[index + 2])
    }
    columns = try values.decode([RewardScores].self, forKey: .columns)
    seconds = try values.decode(Double.self, forKey: .seconds)
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(key, forKey: .key)
    try values.encode(samples.flatMap { [$0.trunk, $0.step ?? -1, $0.branch] }, forKey: .places)
    try values.encode(columns, forKey: .columns)
    try values.encode(seconds, forKey: .seconds)
  }
}
