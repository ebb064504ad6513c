internal import Foundations

/// The mean of a score over some prompts, with its standard error.
package struct Score: Sendable, Hashable, Codable {
  /// The number of values.
  package let count: Int
  /// Their mean; nil without values.
  package let mean: Double?
  /// The standard deviation (n - 1) divided by the root of n; nil below two values.
  package let standardError: Double?

  private enum CodingKeys: String, CodingKey {
    case count, mean
    case standardError = "standard_error"
  }

  /// The score of some values.
  package init(_ values: [Double]) {
    let statistics = Statistics(values)
    self.init(
      count: statistics.count, mean: statistics.mean, standardError: statistics.standardError)
  }

  /// A score that was computed before.
  package init(count: Int, mean: Double?, standardError: Double?) {
    self.count = count
    self.mean = mean
    self.standardError = standardError
  }

  /// Reads a score; a mean that an older summary gives for no values is dropped.
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
  /// Mean of the tags' means, as on GenEval's leaderboard; nil when no prompt has a tag or a tag
  /// has no value.
  package let tagMean: Double?

  private enum CodingKeys: String, CodingKey {
    case overall, tags
    case tagMean = "tag_mean"
  }

  /// The scores of values, each with its tag or without one; a missing value is left out, its tag
  /// is not.
  package init(_ values: [(tag: String?, value: Double?)]) {
    overall = Score(values.compactMap(\.value))
    let tagged = values.compactMap { entry in entry.tag.map { (tag: $0, value: entry.value) } }
    tags = Dictionary(grouping: tagged, by: \.tag).mapValues { Score($0.compactMap(\.value)) }
    // Sorted: a dictionary's order differs between processes, and the sum's last bits with it.
    let means = tags.sorted { $0.key < $1.key }.compactMap(\.value.mean)
    tagMean = means.count < tags.count ? nil : Statistics(means).mean
  }
}
