/// The mean of a score over some prompts, and how sure it is.
package struct Score: Sendable, Hashable, Codable {
  /// How many values the mean is of.
  package let count: Int
  /// Their mean; 0 when there are none.
  package let mean: Double
  /// The standard deviation (n - 1) divided by the root of n; nil below two values.
  package let standardError: Double?

  private enum CodingKeys: String, CodingKey {
    case count, mean
    case standardError = "standard_error"
  }

  /// The score of some values.
  package init(_ values: some Collection<Double>) {
    let n = Double(values.count)
    let mean = values.isEmpty ? 0 : values.reduce(0, +) / n
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    count = values.count
    self.mean = mean
    standardError = values.count < 2 ? nil : (squares / (n - 1) / n).squareRoot()
  }
}

/// Scores of one evaluation, over all prompts and per tag.
package struct TaggedScores: Sendable, Hashable, Codable {
  /// Over all prompts.
  package let overall: Score
  /// Per tag of the prompts, for example "counting".
  package let tags: [String: Score]

  /// The scores of values that may each belong to a tag.
  package init(_ values: [(tag: String?, value: Double)]) {
    overall = Score(values.map(\.value))
    let tagged = values.compactMap { entry in entry.tag.map { (tag: $0, value: entry.value) } }
    tags = Dictionary(grouping: tagged, by: \.tag).mapValues { Score($0.map(\.value)) }
  }
}
