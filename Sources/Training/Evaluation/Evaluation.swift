internal import Foundation
internal import Foundations
package import ImageFiles
package import Rewards
package import Runs

/// What the measurement of a model found: one image per prompt, and what the reward says of each.
///
/// A measurement is two calls, because making images is synchronous and scoring is not:
///
///     let images = try sampling.images(of: prompts.map(\.text), pipeline)
///     let evaluation = try await Evaluation(images, of: prompts, by: reward)
package struct Evaluation: Sendable {
  package let prompts: [Prompt]
  /// One per prompt, in order.
  package let images: [PixelBuffer]
  /// The reward's name.
  package let reward: String
  /// The reward's answer for every image.
  package let rewards: RewardScores

  /// Scores one image per prompt.
  package init(
    _ images: [PixelBuffer], of prompts: [Prompt], by reward: any Reward
  ) async throws(RewardError) {
    let samples = zip(images, prompts).map { RewardSample(image: $0, prompt: $1) }
    let columns = try await Scorer([reward], weights: [1]).columns(samples)
    self.init(images, of: prompts, reward: reward.name, columns[0])
  }

  /// Images that have been scored.
  ///
  /// - Parameters:
  ///   - reward: its name.
  ///   - rewards: its answer.
  package init(
    _ images: [PixelBuffer], of prompts: [Prompt], reward: String, _ rewards: RewardScores
  ) {
    precondition(images.count == prompts.count, "one image per prompt")
    self.prompts = prompts
    self.images = images
    self.reward = reward
    self.rewards = rewards
  }

  /// Mean, count and standard error of the total, overall and per tag. Images that could not be
  /// scored are left out.
  package var scores: TaggedScores { scores(of: rewards.total) }

  /// The same of a named part, such as `strict`; nil when the reward has no such part.
  package func scores(part name: String) -> TaggedScores? {
    rewards[part: name].map { scores(of: $0) }
  }

  /// What could not be scored, and why.
  package var missing: MissingScores {
    var missing = MissingScores()
    missing.add(rewards, of: reward)
    return missing
  }

  /// Images that could not be scored.
  package var missingCount: Int { missing.count(of: reward) }

  /// Reason -> images; empty when all were scored.
  package var missingReasons: [String: Int] { missing.counts[reward] ?? [:] }

  /// `3 of 20 could not be scored (timed out 1, the prompt quotes no text 2)`; nil when all were.
  package var missingText: String? {
    guard missingCount > 0 else { return nil }
    let reasons = missingReasons.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    return "\(missingCount) of \(images.count) could not be scored "
      + "(\(reasons.joined(separator: ", ")))"
  }

  /// How the images were made and scored, for the record.
  ///
  /// - Parameter weights: which weights made them: "ema" or "last".
  package func protocolRecord(
    _ sampling: ImageSampling, promptFile: String, weights: String, dtype: String = "float32"
  ) -> RunSummary.EvaluationProtocol {
    RunSummary.EvaluationProtocol(
      prompts: promptFile, promptCount: prompts.count, imagesPerPrompt: 1,
      seed: Int(clamping: sampling.seed), steps: sampling.steps, guidanceScale: sampling.guidanceScale,
      sampler: "ode", dtype: dtype, weights: weights, reward: reward)
  }

  private func scores(of values: [Double?]) -> TaggedScores {
    TaggedScores(
      zip(prompts, values).compactMap { prompt, value in
        value.map { (tag: prompt.tag, value: $0) }
      })
  }
}

extension Score {
  /// The mean with three decimals; `-` when there is none.
  package var meanText: String { mean.map { String(format: "%.3f", $0) } ?? "-" }

  /// `0.512 ± 0.022`; `-` without a value.
  package var text: String {
    meanText + (standardError.map { String(format: " ± %.3f", $0) } ?? "")
  }
}

extension TaggedScores {
  /// The scores as lines of a table, tags in alphabetical order and the whole last.
  package func table() -> String {
    let rows = tags.sorted { $0.key < $1.key }.map { (name: $0.key, score: $0.value) }
      + [(name: "overall", score: overall)]
    var cells = rows.map { [$0.name, "\($0.score.text)  n=\($0.score.count)"] }
    if tags.count > 1, let tagMean {
      cells.append(["tags", "\(String(format: "%.3f", tagMean))  mean over \(tags.count) tags"])
    }
    return TextTable(columns: [.left(), .left()], rows: cells).text
  }
}
