import ArgumentParser
import DiffusionModels
import Foundation
import Foundations
import ImageFiles
import Rewards
import Runs
import Torch
import Training

/// `tempflow score`: scores existing images with a reward.
struct ScoreCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "score",
    abstract: "Scores images with one reward: a line per image, and the mean.",
    discussion: """
      The images are the .png files of a folder in the order of their names (2.png before \
      10.png), and each has its prompt in the file of prompts. A reward for edits compares each \
      with the source image that its prompt names, scaled to the image's size. Settings of the \
      reward are those of a recipe's entry of `rewards` (docs/recipes.md). An image that could \
      not be scored shows - and the reason.

      Example: tempflow score --reward ocr --images out --prompts prompts.txt --set timeout=30
      """)

  @OptionGroup var reward: RewardOptions

  @Option(name: .long, help: "Folder of .png files, scored in the order of their names.")
  var images: String

  @Option(name: .long, help: promptFileHelp)
  var prompts: String

  @Option(
    name: .long,
    help: "Where a network runs: cpu, cuda (the first GPU) or cuda:N. (default: cpu)",
    transform: device(named:))
  var device = Device.cpu

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let entry = try reward.read(device: device)
    let prompts = try PromptList.read(prompts, scoredBy: entry)
    let files = try ImageFolder.read(images)
    guard files.count == prompts.count else {
      throw ValidationError(
        "\(images) holds \(files.count) images and \(self.prompts) \(prompts.count) prompts; "
          + "each image needs its own")
    }
    var sources: [[PixelBuffer]] = []
    for (file, prompt) in zip(files, prompts) {
      let size = ImageSize(height: file.image.height, width: file.image.width)
      sources.append(try ConditionImages(size).of(prompt))
    }
    let evaluation = try await Evaluation(
      files.map(\.image), of: prompts, sources, by: try entry.makeReward())
    let report = Report(evaluation, names: files.map(\.name))
    try output.print(report) { report.text(evaluation) }
    try reward.checkMissing(evaluation)
  }

  /// What `--json` prints.
  private struct Report: Encodable {
    var reward: String
    var images: [Image]
    /// Over the images with a score; absent when there is none.
    var scores: TaggedScores?
    /// Images without a score.
    var missing: Int
    /// Reason -> images.
    var missingReasons: [String: Int]

    private enum CodingKeys: String, CodingKey {
      case reward, images, scores, missing
      case missingReasons = "missing_reasons"
    }

    struct Image: Encodable {
      var name: String
      var prompt: String
      var tag: String?
      /// nil, written as null, for an image without a score.
      var score: Double?
      var parts: [String: Double?]
      var reason: String?

      func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encode(prompt, forKey: .prompt)
        try container.encodeIfPresent(tag, forKey: .tag)
        try container.encode(score, forKey: .score)
        try container.encode(parts, forKey: .parts)
        try container.encodeIfPresent(reason, forKey: .reason)
      }

      private enum CodingKeys: CodingKey { case name, prompt, tag, score, parts, reason }
    }

    init(_ evaluation: Evaluation, names: [String]) {
      let rewards = evaluation.rewards
      reward = evaluation.reward
      images = names.indices.map { index in
        let prompt = evaluation.prompts[index]
        return Image(
          name: names[index], prompt: prompt.text, tag: prompt.tag, score: rewards.total[index],
          parts: Dictionary(
            rewards.parts.filter { $0.name != evaluation.reward }
              .map { ($0.name, $0.values[index]) }
          ) { $1 },
          reason: rewards.reasons[index])
      }
      missing = evaluation.missingCount
      missingReasons = evaluation.missingReasons
      scores = missing == rewards.total.count ? nil : evaluation.scores
    }

    /// A column for the score and each part, then image and prompt.
    func text(_ evaluation: Evaluation) -> String {
      let parts = evaluation.rewards.parts.map(\.name).filter { $0 != reward }
      let names = [reward] + parts
      func figure(_ value: Double?) -> String { value.map { String(format: "%.5f", $0) } ?? "-" }
      let rows = images.map { image in
        [figure(image.score)] + parts.map { figure(image.parts[$0] ?? nil) } + [
          "\(image.name)  \(image.prompt)" + (image.reason.map { "  (\($0))" } ?? "")
        ]
      }
      let table = TextTable(
        columns: names.map { _ in .right(9) } + [.left()], header: names + ["image  prompt"],
        rows: rows)
      let missing = evaluation.missingText.map { "\n\($0)" } ?? ""
      return table.text
        + (scores.map { "\n\nmean ± standard error\n\($0.table())" } ?? "\n") + missing
    }
  }
}
