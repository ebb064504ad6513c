/// The mean of a score over some prompts, and how sure it is.
package struct Score: Sendable, Hashable, Codable {
  /// How many values the mean is of.
  package let count: Int
  /// Their mean; nil when there are none.
  package let mean: Double?
  /// The standard deviation (n - 1) divided by the root of n; nil below two values.
  package let standardError: Double?

  private enum CodingKeys: String, CodingKey {
    case count, mean
    case standardError = "standard_error"
  }

  /// The score of some values.
  package init(_ values: some Collection<Double>) {
    count = values.count
    guard count > 0 else {
      (mean, standardError) = (nil, nil)
      return
    }
    let n = Double(count)
    let mean = values.reduce(0, +) / n
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    self.mean = mean
    standardError = count < 2 ? nil : (squares / (n - 1) / n).squareRoot()
  }

  /// Reads a score. A mean that an older summary gives for no values is left out.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    count = try container.decode(Int.self, forKey: .count)
    mean = count > 0 ? try container.decode(Double.self, forKey: .mean) : nil
    standardError = try container.decodeIfPresent(Double.self, forKey: .standardError)
  }
}

/// Scores of one evaluation, over all prompts and per tag.
package struct TaggedScores: Sendable, Hashable, Codable {
  /// Over all prompts.
  package let overall: Score
  /// Per tag of the prompts, for example "counting".
  package let tags: [String: Score]
  /// Mean over the tags' means, each tag counting alike, as GenEval's leaderboard has it; nil where
  /// no prompt has a tag, or a tag no value.
  package let tagMean: Double?

  private enum CodingKeys: String, CodingKey {
    case overall, tags
    case tagMean = "tag_mean"
  }

  /// The scores of values that may each belong to a tag.
  package init(_ values: [(tag: String?, value: Double)]) {
    overall = Score(values.map(\.value))
    let tagged = values.compactMap { entry in entry.tag.map { (tag: $0, value: entry.value) } }
    tags = Dictionary(grouping: tagged, by: \.tag).mapValues { Score($0.map(\.value)) }
    // In order: a dictionary's own changes with the process, and with it the sum's last bits.
    let means = tags.sorted { $0.key < $1.key }.compactMap(\.value.mean)
    tagMean =
      means.isEmpty || means.count < tags.count ? nil : means.reduce(0, +) / Double(means.count)
  }
}
