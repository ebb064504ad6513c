/// The scores of a batch.
package struct RewardScores: Sendable, Equatable, Codable {
  /// One score per sample, in order; nil where the sample could not be scored. Larger is better;
  /// the range is the reward's.
  package var total: [Double?]
  /// Named figures beside the total, one per sample each, for metrics and reports.
  package var parts: [Part]
  /// Why a sample has no score, by its index: a few words that are equal for every sample with this
  /// fault, such as `timed out`, so that they can be counted.
  package var reasons: [Int: String]

  /// One named figure.
  package struct Part: Sendable, Equatable, Codable {
    /// A stable name: it becomes part of metric names.
    package var name: String
    /// One value per sample, in order; nil where there is none.
    package var values: [Double?]

    package init(name: String, values: [Double?]) {
      self.name = name
      self.values = values
    }
  }

  package init(total: [Double?], parts: [Part] = [], reasons: [Int: String] = [:]) {
    precondition(
      parts.allSatisfy { $0.values.count == total.count }, "every part has one value per sample")
    self.total = total
    self.parts = parts
    self.reasons = reasons
  }

  /// The values of the part with this name; nil when there is no such part.
  package subscript(part name: String) -> [Double?]? {
    parts.first { $0.name == name }?.values
  }
}

extension RewardScores {
  /// Joins the scores of batches in order. A part that a batch lacks is nil there.
  package init(joining batches: [RewardScores]) {
    self.init(total: batches.flatMap(\.total))
    var start = 0
    for batch in batches {
      for part in batch.parts {
        let index =
          parts.firstIndex { $0.name == part.name }
          ?? {
            parts.append(.init(name: part.name, values: Array(repeating: nil, count: total.count)))
            return parts.endIndex - 1
          }()
        parts[index].values.replaceSubrange(start..<start + batch.total.count, with: part.values)
      }
      for (index, reason) in batch.reasons { reasons[start + index] = reason }
      start += batch.total.count
    }
  }
}
