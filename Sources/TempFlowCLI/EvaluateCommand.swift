import ArgumentParser
import DiffusionModels
import Foundation
import ImageFiles
import Rewards
import Runs
import Torch
import Training

/// `tempflow evaluate`: evaluates a model on a file of prompts.
struct EvaluateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Evaluates a model: mean reward per tag, with counts and standard errors.",
    discussion: """
      One image per prompt, sampled by ODE from noise that depends only on --seed and the prompt's \
      position in the file. The protocol is part of the report: scores of different protocols are \
      not comparable. Images that could not be scored are left out of the means and counted.

      Example: tempflow evaluate --model Models/shapes --prompts Prompts/shapes/held-out.jsonl \
      --reward shapes --steps 8 --json
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var sampling: SamplingOptions

  @Option(name: .long, help: promptFileHelp)
  var prompts: String

  @OptionGroup var reward: RewardOptions

  @Option(name: .long, help: "Evaluate only this many prompts from the start of the file.")
  var limit: Int?

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if let limit, limit < 1 { throw ValidationError("--limit must be at least 1") }
  }

  func run() async throws {
    let entry = try reward.read(device: model.device)
    let all = try model.prompts(prompts, for: [entry])
    let scorer = try entry.makeReward()
    let prompts = Array(all.prefix(limit ?? all.count))
    var images: [PixelBuffer] = []
    let loaded = try model.sample(prompts, sampling) { _, _, batch in images += batch }
    let sources = try ConditionImages(loaded.geometry.image).of(prompts, for: [entry])
    let evaluation = try await Evaluation(images, of: prompts, sources, by: scorer)
    let record = evaluation.protocolRecord(
      sampling.imageSampling(loaded.defaults), loaded, promptFile: self.prompts,
      weights: model.lora == nil ? "model" : "model + lora",
      maxSequenceLength: sampling.maxSequenceLength)
    try output.print(Report(model, record, evaluation)) { text(record, evaluation) }
    try reward.checkMissing(evaluation)
  }

  private func text(
    _ record: RunSummary.EvaluationProtocol, _ evaluation: Evaluation
  ) -> String {
    let parts = evaluation.rewards.parts.filter { $0.name != record.reward }.compactMap { part in
      evaluation.scores(part: part.name).map { "\n\n\(part.name)\n\($0.table())" }
    }
    let base = record.quantizeBase.flatMap { $0 == "none" ? nil : ", base in \($0)" } ?? ""
    return """
      \(record.reward): \(record.promptCount) prompts, \(record.steps) steps by ODE, guidance \
      \(record.guidanceScale), seed \(record.seed), \(record.dtype)\(base); mean ± standard error
      \(evaluation.scores.table())
      """ + parts.joined() + (evaluation.missingText.map { "\n\n\($0)" } ?? "")
  }

  /// The output of `--json`.
  private struct Report: Encodable {
    var model: String
    var lora: String?
    var evaluationProtocol: RunSummary.EvaluationProtocol
    var scores: TaggedScores
    var parts: [String: TaggedScores]
    /// Images that could not be scored.
    var missing: Int
    /// Reason -> images.
    var missingReasons: [String: Int]

    init(
      _ options: ModelOptions, _ record: RunSummary.EvaluationProtocol, _ evaluation: Evaluation
    ) {
      model = options.model
      lora = options.lora
      evaluationProtocol = record
      scores = evaluation.scores
      missing = evaluation.missingCount
      missingReasons = evaluation.missingReasons
      parts = [:]
      for part in evaluation.rewards.parts {
        parts[part.name] = evaluation.scores(part: part.name)
      }
    }

    private enum CodingKeys: String, CodingKey {
      case model, lora, scores, parts, missing
      case missingReasons = "missing_reasons"
      case evaluationProtocol = "protocol"
    }
  }
}
