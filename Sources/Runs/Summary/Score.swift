internal import Foundations

/// The mean of a score over some prompts, with its standard error.
package struct Score: Sendable, Hashable, Codable {
  /// The number of values.
  package let count: Int
  /// Their mean; nil without values.
  package let mean: Double?
  /// The standard deviation (n - 1) divided by the root of n, where every prompt has one value;
  /// the values of one prompt count as one. nil below two prompts.
  package let standardError: Double?

  private enum CodingKeys: String, CodingKey {
    case count, mean
    case standardError = "standard_error"
  }

  /// The score of values of different prompts.
  package init(_ values: [Double]) { self.init(values, prompts: Array(values.indices)) }

  /// The score of some values, several of which may be of one prompt.
  ///
  /// Images of one prompt resemble each other, so the standard error is that of a sample of
  /// clusters, with n values and G prompts: `sqrt(G / (G - 1) sum_g (sum_{i in g} (x_i - mean))^2)
  /// / n`. With one value a prompt it is the usual one.
  ///
  /// - Parameter prompts: the prompt of each value; equal ones have equal numbers.
  package init(_ values: [Double], prompts: [Int]) {
    precondition(values.count == prompts.count, "a prompt for each value")
    let statistics = Statistics(values)
    self.init(
      count: statistics.count, mean: statistics.mean,
      standardError: Set(prompts).count == values.count
        ? statistics.standardError : Self.clusteredError(values, prompts))
  }

  private static func clusteredError(_ values: [Double], _ prompts: [Int]) -> Double? {
    let n = Double(values.count)
    let mean = values.reduce(0, +) / n
    let groups = Dictionary(grouping: zip(prompts, values), by: \.0).sorted { $0.key < $1.key }
    let (count, first) = (Double(groups.count), values[0])
    guard count > 1 else { return nil }
    if values.allSatisfy({ $0 == first }) { return 0 }
    let squares = groups.map { group in
      let sum = group.value.reduce(0) { $0 + ($1.1 - mean) }
      return sum * sum
    }
    return (count / (count - 1) * squares.reduce(0, +)).squareRoot() / n
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

  /// The scores of values of different prompts, each with its tag or without one; a missing value
  /// is left out, its tag is not.
  package init(_ values: [(tag: String?, value: Double?)]) {
    self.init(ofPrompts: values.enumerated().map { ($0, $1.tag, $1.value) })
  }

  /// The scores of values, several of which may be of one prompt; equal prompts have equal numbers.
  package init(ofPrompts values: [(prompt: Int, tag: String?, value: Double?)]) {
    func score(_ values: [(prompt: Int, tag: String?, value: Double?)]) -> Score {
      let present = values.filter { $0.value != nil }
      return Score(present.compactMap(\.value), prompts: present.map(\.prompt))
    }
    overall = score(values)
    tags = Dictionary(grouping: values.filter { $0.tag != nil }) { $0.tag ?? "" }
      .mapValues(score)
    // Sorted: a dictionary's order differs between processes, and the sum's last bits with it.
    tagMean = Self.mean(ofTags: tags.sorted { $0.key < $1.key }.map(\.value.mean))
  }

  /// The mean of the means of all tags; nil without tags and where one has no value.
  package static func mean(ofTags means: [Double?]) -> Double? {
    let present = means.compactMap(\.self)
    return present.count < means.count ? nil : Statistics(present).mean
  }
}
