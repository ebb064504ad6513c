import Foundation
import Foundations
import ImageFiles
import Runs

/// A run directory with plausible numbers in the trainer's format.
struct SyntheticRun {
  let path: String
  var epochs = 40
  /// The epochs after which the model was evaluated.
  var evaluations = [0, 10, 20, 30, 40]
  /// The number at the end of the name, else 7.
  var seed: Int
  var processes = 1
  /// Parts of a reward `http` beside the shapes'.
  var httpParts = 0
  /// Further lines of the recipe.
  var settings = ""
  /// Held-out accuracy at the end.
  var reached = 0.58
  /// Whether there is a held-out reward (which falls) and scores are missing.
  var hasTrouble = false
  /// Whether the samples are edits of source images.
  var hasSources = false

  static let prompts = [
    ("a photo of a red circle", "single_object"), ("a photo of a blue square", "single_object"),
    ("a photo of a green triangle and a red star", "two_object"),
    ("a photo of three yellow circles", "counting"), ("a photo of two purple squares", "counting"),
    ("a photo of an orange star", "colors"),
    ("a photo of a circle left of a square", "position"),
    ("a photo of a red circle and a blue triangle", "color_attr"),
  ]

  init(_ path: String) {
    self.path = path
    seed = path.split(separator: "-").last.flatMap { Int($0) } ?? 7
  }

  /// Writes the files of a finished run.
  func write() throws {
    try writeRecipe()
    try writeLogs()
    try writeSamples("before", epoch: 0, quality: 0.55)
    try writeSamples("after", epoch: epochs, quality: 0.95)
    var tree = try SyntheticImages.tree(in: path + "/tree")
    if hasSources {
      tree.source = "source.png"
      try PNG.write(
        SyntheticImages.disc(3, quality: 1, seed: 99), to: path + "/tree/source.png")
    }
    try JSONEncoder().encode(tree).write(to: URL(filePath: path + "/tree/tree.json"))
    try writeSummary()
  }

  func writeRecipe() throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let text = """
      # The resolved recipe of this run: every setting, given or default.
      model: Models/shapes
      trainable: full
      prompts:
        train: Recipes/prompts/train.jsonl
        per_epoch: 96
      sampling:
        method: tempflow
        steps: 5
        branches: 8
      loss:
        weighting: noise_aware
        clip_range: 0.03
      optimizer:
        learning_rate: 0.0001
        max_grad_norm: 1.0
      epochs: \(epochs)
      seed: \(seed)
      \(settings)
      """
    try AtomicFile.write(text, to: path + "/recipe.yaml")
  }

  func writeLogs() throws {
    let metrics = try MetricsLog(path + "/metrics.jsonl", content: .metrics)
    let timings = try MetricsLog(path + "/timings.jsonl", content: .timings)
    try timings.append([.init(.start), .init(.epoch, 0), .init(.loadSeconds, 1.9)])
    for epoch in 0...epochs {
      if epoch > 0 {
        try metrics.append(epochLine(epoch))
        try timings.append(timingLine(epoch))
      }
      if evaluations.contains(epoch) {
        let scores = scores(at: epoch)
        try metrics.append([
          .init(.evaluation), .init(.epoch, .int(epoch)), .init(.reward, "shapes_strict"),
          .init(.count, .int(scores.overall.count)),
          .init(.mean, .double(scores.overall.mean ?? .nan)),
          .init(.standardError, .double(scores.overall.standardError ?? 0)),
          .init(.tags, JSONValue(tags: scores.tags)),
          .init(.trainingRewardMean, .double(0.6 + 0.3 * progress(epoch))),
        ] + (hasTrouble ? heldOutMembers(epoch) : []))
        try timings.append([
          .init(.evaluation), .init(.epoch, .int(epoch)), .init(.evaluationSeconds, 8.4),
        ])
      }
    }
    try timings.append([
      .init(.checkpoint), .init(.epoch, .int(epochs)), .init(.checkpointSeconds, 1.2),
    ])
  }

  private func heldOutMembers(_ epoch: Int) -> [JSONValue.Member] {
    let mean = 0.9 - 0.4 * progress(epoch)
    return [
      .init(
        .heldOutRewards, ["ocr": ["count": 500, "mean": .double(mean), "standard_error": 0.01]]),
      .init(.heldOutAlarms, epoch >= 20 ? ["ocr"] : []),
    ]
  }

  private func progress(_ epoch: Int) -> Double { 1 - exp(-Double(epoch) / 18) }

  private func epochLine(_ epoch: Int) -> [JSONValue.Member] {
    let wobble = sin(Double(epoch * epoch + seed)) * 0.012
    let reward = 0.58 + 0.25 * progress(epoch) + wobble
    let steps = ["0", "1", "2", "3"]
    let perStep = steps.enumerated().map { index, step in
      JSONValue.Member(step, .double(reward + 0.02 * Double(index)))
    }
    let deviations = steps.map { JSONValue.Member($0, .double(2e-6 * (1 + abs(wobble) * 40))) }
    return [
      .init(.epoch), .init(.epoch, .int(epoch)), .init(.images, 3072),
      .init(.rewardMean, .double(reward)), .init(.rewardStd, .double(0.31 - 0.1 * progress(epoch))),
      .init("reward_mean.shapes", .double(reward)), .init("reward_std.shapes", 0.3),
      .init("part_mean.shapes.strict", .double(reward - 0.2)),
      .init("part_mean.shapes.partial", .double(reward)),
      .init(.rewardMeanPerStep, .object(perStep)), .init(.rewardMissing, hasTrouble ? 5 : 0),
      .init(
        .rewardMissingReasons,
        hasTrouble ? ["shapes": ["timed out": 3, "refused": 2]] : .object([])),
      .init(.fracRewardZeroStd, .double(0.12 + 0.2 * progress(epoch) + wobble)),
      .init(.updates, .int(epoch * 4)), .init(.policyLoss, .double(-0.002 + wobble / 20)),
      .init(.clipFraction, .double(0.08 + wobble)), .init(.kl, 0.0),
      .init(.gradNorm, .double(0.4 + wobble * 6)),
      .init(.ratioMaxDeviation, .double(0.02 + wobble / 2)),
      .init(.logProbDeviationPerStep, .object(deviations)),
    ] + (0..<httpParts).map { JSONValue.Member("part_mean.http.part\($0)", 0.5) }
  }

  private func timingLine(_ epoch: Int) -> [JSONValue.Member] {
    let wobble = 1 + 0.06 * sin(Double(epoch * 3))
    return [
      .init(.epoch), .init(.epoch, .int(epoch)), .init(.textSeconds, .double(0.4 * wobble)),
      .init(.rolloutSeconds, .double(4.1 * wobble)), .init(.decodeSeconds, .double(1.6 * wobble)),
      .init(.rewardSeconds, 0.1), .init(.updateSeconds, .double(6.2 * wobble)),
      .init(.epochSeconds, .double(12.5 * wobble)), .init(.scoringSeconds, 0.3),
    ] + (processes > 1 ? rankMembers() : [])
  }

  private func rankMembers() -> [JSONValue.Member] {
    let names: [MetricName] = [
      .rankRolloutSeconds, .rankDecodeSeconds, .rankRewardSeconds, .rankUpdateSeconds,
      .rankEpochSeconds,
    ]
    return names.map { .init($0, .array(Array(repeating: 2.5, count: processes))) }
  }

  /// 500 verdicts whose mean runs from 0.395 to `reached`.
  func scores(at epoch: Int) -> TaggedScores {
    let tags = ["single_object", "two_object", "counting", "colors", "position", "color_attr"]
    let ease = [0.35, 0.05, 0.0, 0.2, -0.2, -0.15]
    let mean = 0.355 + (reached - 0.395) * progress(epoch) / progress(epochs)
    return TaggedScores(
      (0..<500).map { index in
        let draw = Double(index * 7919 % 500) / 500
        return (tags[index % 6], draw < mean + ease[index % 6] ? 1.0 : 0.0)
      })
  }

  func writeSamples(_ name: String, epoch: Int, quality: Double) throws {
    try FileManager.default.createDirectory(
      atPath: path + "/samples", withIntermediateDirectories: true)
    let tiles = (0..<24).map { index in
      SyntheticImages.disc(
        index, quality: quality - 0.02 * Double(index % 5), seed: UInt64(index + 1))
    }
    let sheet = ContactSheet(columns: 6, gutter: 2, scale: 2)
    try PNG.write(sheet.image(of: tiles), to: "\(path)/samples/\(name).png")
    if hasSources {
      let sources = (0..<24).map { SyntheticImages.disc($0, quality: 1, seed: UInt64($0 + 50)) }
      try PNG.write(sheet.image(of: sources), to: "\(path)/samples/sources.png")
    }
    let record = SampleSheet(
      epoch: epoch, columns: 6, tileWidth: 64, tileHeight: 64, gutter: 2,
      samples: (0..<24).map { index in
        let prompt = SyntheticRun.prompts[index % SyntheticRun.prompts.count]
        return .init(
          prompt: prompt.0, tag: prompt.1, seed: UInt64(index), reward: quality - 0.05,
          passed: Double(index % 10) < quality * 8)
      }, sources: hasSources ? "sources.png" : nil)
    try JSONEncoder().encode(record).write(to: URL(filePath: "\(path)/samples/\(name).json"))
  }

  func summary() -> RunSummary {
    RunSummary(
      recipe: "shapes", seed: seed, epochs: epochs, isFinished: true,
      evaluationProtocol: .init(
        prompts: "prompts/evaluation.jsonl", promptCount: 500, imagesPerPrompt: 1, seed: 1,
        steps: 8, guidanceScale: 1, sampler: "ode", dtype: "float32", weights: "ema",
        reward: "shapes_strict"),
      evaluations: evaluations.map {
        .init(epoch: $0, trainingSeconds: 12.5 * Double($0), scores: scores(at: $0))
      },
      phaseSeconds: ["load": 1.9, "rollout": 164, "learning": 248], trainingSeconds: 500,
      machine: Machine(device: "cpu", torch: "2.11.0"))
  }

  func writeSummary() throws {
    try summary().write(to: path + "/summary.json")
  }
}

/// A temporary folder for one test, removed at the end.
func withTemporaryFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
  let folder = FileManager.default.temporaryDirectory.path + "/report-\(UUID().uuidString)"
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer {
    do { try FileManager.default.removeItem(atPath: folder) } catch { print("left \(folder)") }
  }
  return try body(folder)
}
