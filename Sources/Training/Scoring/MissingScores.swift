package import Rewards

/// Scores that a reward did not return, counted by reward and reason.
package struct MissingScores: Sendable, Equatable, Codable {
  /// Reward -> reason -> images.
  package private(set) var counts: [String: [String: Int]] = [:]

  package init() {}

  /// The scores that are missing from the results of rewards.
  package init(of rewards: [any Reward], in columns: [RewardScores]) {
    for (reward, column) in zip(rewards, columns) { add(column, of: reward.name) }
  }

  /// Counts the scores that are missing from a reward's result.
  package mutating func add(_ scores: RewardScores, of reward: String) {
    for index in scores.total.indices where scores.total[index] == nil {
      counts[reward, default: [:]][scores.reasons[index] ?? "no reason given", default: 0] += 1
    }
  }

  /// Adds the counts of further images.
  package mutating func add(_ other: MissingScores) {
    for (reward, reasons) in other.counts {
      counts[reward, default: [:]].merge(reasons, uniquingKeysWith: +)
    }
  }

  /// Images without a score of this reward.
  package func count(of reward: String) -> Int { (counts[reward] ?? [:]).values.reduce(0, +) }

  /// Rewards with missing scores and their reasons, both in alphabetical order.
  package var sorted: [(reward: String, reasons: [(text: String, count: Int)])] {
    counts.sorted { $0.key < $1.key }.map { reward, reasons in
      (reward, reasons.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
    }
  }

  /// The first reward whose missing scores exceed a share of the images, in words; nil without one.
  ///
  /// - Parameter share: 0...1.
  package func excess(over share: Double, of images: Int) -> String? {
    let found = sorted.first { Double(count(of: $0.reward)) > share * Double(images) }
    return found.map { reward, reasons in
      "\(count(of: reward)) of \(images) scores of \(reward) are missing (\(Self.text(reasons)))"
    }
  }

  /// Makes sure that no reward misses more scores than a recipe allows.
  ///
  /// - Parameters:
  ///   - share: `max_missing_scores`.
  ///   - images: how many were scored.
  /// - Throws: `RewardError.missing`.
  func check(against share: Double, of images: Int) throws(RewardError) {
    guard let excess = excess(over: share, of: images) else { return }
    throw .missing("\(excess), and max_missing_scores allows \(share) of them")
  }

  /// `http 3 (refused: 1, timed out: 2); vlm 1 (no score in the answer: 1)`
  package var text: String {
    sorted.map { "\($0.reward) \(count(of: $0.reward)) (\(Self.text($0.reasons)))" }
      .joined(separator: "; ")
  }

  /// `refused: 1, timed out: 2`
  static func text(_ reasons: [(text: String, count: Int)]) -> String {
    reasons.map { "\($0.text): \($0.count)" }.joined(separator: ", ")
  }
}
