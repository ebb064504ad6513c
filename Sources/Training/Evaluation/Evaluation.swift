package import DiffusionModels
internal import Foundation
internal import Foundations
package import ImageFiles
package import Rewards
package import Runs
internal import TorchNN

/// A measurement of a model: one image per prompt with the reward's scores.
///
/// A measurement takes two calls, because sampling is synchronous and scoring is asynchronous:
///
///     let images = try sampling.images(of: prompts.map(\.text), pipeline)
///     let evaluation = try await Evaluation(images, of: prompts, sources, by: reward)
package struct Evaluation: Sendable {
  package let prompts: [Prompt]
  /// One per prompt, in order.
  package let images: [PixelBuffer]
  /// The reward's name.
  package let reward: String
  /// The reward's scores of all images.
  package let rewards: RewardScores

  /// Scores one image per prompt.
  ///
  /// - Parameter sources: the condition images of each prompt.
  package init(
    _ images: [PixelBuffer], of prompts: [Prompt], _ sources: [[PixelBuffer]],
    by reward: any Reward
  ) async throws(RewardError) {
    let samples = prompts.indices.map {
      RewardSample(image: images[$0], sources: sources[$0], prompt: prompts[$0])
    }
    let columns = try await Scorer([reward], weights: [1]).columns(samples)
    self.init(images, of: prompts, reward: reward.name, columns[0])
  }

  /// Creates an evaluation from scored images.
  ///
  /// - Parameters:
  ///   - reward: the reward's name.
  ///   - rewards: the reward's scores.
  package init(
    _ images: [PixelBuffer], of prompts: [Prompt], reward: String, _ rewards: RewardScores
  ) {
    precondition(images.count == prompts.count, "one image per prompt")
    self.prompts = prompts
    self.images = images
    self.reward = reward
    self.rewards = rewards
  }

  /// Mean, count and standard error of the total, overall and per tag. Images without a score are
  /// left out.
  package var scores: TaggedScores { scores(of: rewards.total) }

  /// The scores of a named part, such as `strict`; nil when the reward has no such part.
  package func scores(part name: String) -> TaggedScores? {
    rewards[part: name].map { scores(of: $0) }
  }

  /// The missing scores and their reasons.
  package var missing: MissingScores {
    var missing = MissingScores()
    missing.add(rewards, of: reward)
    return missing
  }

  /// Number of images without a score.
  package var missingCount: Int { missing.count(of: reward) }

  /// Number of images per reason; empty when all were scored.
  package var missingReasons: [String: Int] { missing.counts[reward] ?? [:] }

  /// `3 of 20 could not be scored (the prompt quotes no text: 2, timed out: 1)`; nil when all were
  /// scored.
  package var missingText: String? {
    guard missingCount > 0 else { return nil }
    let reasons = missing.sorted.flatMap { $0.reasons }
    return "\(missingCount) of \(images.count) could not be scored (\(MissingScores.text(reasons)))"
  }

  /// The sampling settings and the scores for a report.
  ///
  /// - Parameters:
  ///   - weights: the weights of the model: "ema", "model" or "model + lora".
  ///   - maxSequenceLength: nil means the model's default.
  package func protocolRecord(
    _ sampling: ImageSampling, _ model: any FlowModel, promptFile: String, weights: String,
    maxSequenceLength: Int? = nil
  ) -> RunSummary.EvaluationProtocol {
    RunSummary.EvaluationProtocol(
      prompts: promptFile, promptCount: prompts.count, imagesPerPrompt: 1,
      seed: Int(clamping: sampling.seed), steps: sampling.steps,
      guidanceScale: sampling.guidanceScale, imageSize: model.geometry.image.sides,
      maxSequenceLength: maxSequenceLength ?? model.defaults.maxSequenceLength,
      sampler: "ode", dtype: "\(model.dtype)",
      quantizeBase: model.store.quantization.rawValue, weights: weights, reward: reward)
  }

  private func scores(of values: [Double?]) -> TaggedScores { TaggedScores(prompts, values) }
}

extension TaggedScores {
  /// The scores of one value per line of a prompt file, in which a prompt may be several times; a
  /// missing value is left out.
  init(_ prompts: [Prompt], _ values: [Double?]) {
    let numbers = Dictionary(
      zip(prompts, prompts.indices).map { ($0, $1) }, uniquingKeysWith: { first, _ in first })
    self.init(ofPrompts: zip(prompts, values).map { (numbers[$0] ?? 0, $0.tag, $1) })
  }
}

extension ImageSize {
  /// Height and width.
  var sides: [Int] { [height, width] }
}

extension Score {
  /// The mean with three decimals; `-` if there is none.
  package var meanText: String { mean.map { String(format: "%.3f", $0) } ?? "-" }

  /// `0.512 ± 0.022`; `-` without a value.
  package var text: String {
    meanText + (standardError.map { String(format: " ± %.3f", $0) } ?? "")
  }
}

extension TaggedScores {
  /// The scores as lines of a table, tags in alphabetical order and the overall score last.
  package func table() -> String {
    let rows =
      tags.sorted { $0.key < $1.key }.map { (name: $0.key, score: $0.value) }
      + [(name: "overall", score: overall)]
    var cells = rows.map { [$0.name, "\($0.score.text)  n=\($0.score.count)"] }
    if tags.count > 1, let tagMean {
      cells.append(["tags", "\(String(format: "%.3f", tagMean))  mean over \(tags.count) tags"])
    }
    return TextTable(columns: [.left(), .left()], rows: cells).text
  }
}
