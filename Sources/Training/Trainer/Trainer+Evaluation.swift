internal import DiffusionModels
internal import Foundation
internal import ImageFiles
internal import JSON
internal import Rewards
internal import Runs
internal import TempFlow
internal import Torch
internal import TorchNN

extension Trainer {
  /// How the held-out images are made; the same for every evaluation of the run.
  var evaluationSampling: ImageSampling {
    ImageSampling(
      steps: recipe.evaluation.steps, guidanceScale: recipe.evaluation.guidanceScale,
      seed: recipe.evaluation.seed, batch: recipe.sampling.microBatch,
      decodeBatch: decodeMicroBatch)
  }

  /// Measures the averaged weights on the held-out prompts, and draws the sample grid.
  func evaluate() async throws {
    let start = ContinuousClock.now
    let images = try memory.measure("evaluation") {
      try average.withAverages {
        try policy.images(of: evaluationPrompts, evaluationSampling)
      }
    }
    let everything = Scorer(
      scorer.rewards + watched, weights: scorer.weights + watched.map { _ in 0 })
    let columns = try await everything.columns(
      zip(images, evaluationPrompts).map { image, prompt in
        image.map { RewardSample(image: $0, prompt: prompt) }
      })
    let training = scorer.combine(Array(columns.prefix(scorer.rewards.count)))
    try checkMissing(everything.combine(columns).missing, of: images.count)
    let evaluation = Evaluation(
      images.map(picture), of: evaluationPrompts, reward: scorer.rewards[0].name, columns[0])
    let strict = evaluation.scores(part: "strict")
    state.scoreName = strict == nil ? evaluation.reward : "\(evaluation.reward)_strict"
    let scores = strict ?? evaluation.scores
    let watch = zip(watched, columns.suffix(watched.count)).map { reward, column in
      (reward.name, Score(column.total.compactMap { $0 }))
    }
    state.evaluations.append(
      .init(
        epoch: state.epoch, trainingSeconds: state.trainingSeconds, scores: scores,
        trainingReward: Moments(training.weighted)?.mean,
        heldOutRewards: watch.isEmpty ? nil : Dictionary(watch, uniquingKeysWith: { $1 })))
    try writeSamples(evaluation, training)
    try report(scores, training, watch)
    var phases = PhaseSeconds()
    phases.add("evaluation", start.duration(to: .now) / .seconds(1))
    state.add(phases)
    try output.append(timing: [
      .init(.evaluation), .init(.epoch, .int(state.epoch)),
      .init(.evaluationSeconds, .double(phases["evaluation"])),
    ])
  }

  private func report(
    _ scores: TaggedScores, _ training: ImageScores, _ watch: [(name: String, score: Score)]
  ) throws {
    let overall = scores.overall
    let alarms = recipe.heldOutRewards.filter { alarm($0) != nil }
    let means = scorer.rewards.indices.map { index in
      JSONValue.Member(
        "\(MetricName.rewardMean.rawValue).\(scorer.rewards[index].name)",
        Moments(training.rewards.map { $0[index] }).map { .double($0.mean) } ?? .null)
    }
    try output.append([
      .init(.evaluation), .init(.epoch, .int(state.epoch)),
      .init(.reward, .string(state.scoreName)),
      .init(.mean, overall.mean.map(JSONValue.double) ?? .null),
      .init(.standardError, overall.standardError.map(JSONValue.double) ?? .null),
      .init(.count, .int(overall.count)),
      .init(.tags, JSONValue(tags: scores.tags)),
      .init(.trainingRewardMean, Moments(training.weighted).map { .double($0.mean) } ?? .null),
    ] + means + [
      .init(.heldOutRewards, .object(watch.map { .init($0.name, JSONValue($0.score)) })),
      .init(.heldOutAlarms, .array(alarms.map { .string($0.reward.label) })),
    ])
    try output.say(
      "epoch \(state.epoch): \(state.scoreName) \(overall.text) on \(overall.count) held-out "
        + "prompts" + watch.map { "; \($0.name) \($0.score.meanText) (watched)" }.joined())
    for watch in alarms { try raise(watch) }
  }

  private func alarm(_ watch: HeldOutReward) -> HeldOutAlarm? {
    HeldOutAlarm(
      state.evaluations, name: watch.reward.label, threshold: watch.threshold,
      count: watch.patience)
  }

  /// Says that a watched reward falls while the trained one rises, and stops the run if it is to.
  private func raise(_ watch: HeldOutReward) throws {
    guard let alarm = alarm(watch) else { return }
    let text = String(
      format: "the watched reward \(watch.reward.label) has fallen from %.4f to %.4f since epoch "
        + "\(alarm.peak.epoch) while the trained reward rose from %.4f to %.4f",
      alarm.peak.watched, alarm.now.watched, alarm.peak.trained, alarm.now.trained)
    try output.say("warning: \(text); look at the samples: the trained reward may be gamed")
    if watch.action == .stop { stopReason = text }
  }

  /// Pixels of a picture in a sample sheet or a tree, at most: a report carries dozens.
  static let pictureSide = 256

  /// What a person is shown of an image: plain grey where there is none.
  func picture(of image: Result<PixelBuffer, NonFiniteImage>) -> PixelBuffer {
    if case .success(let image) = image { return image }
    let size = policy.pipeline.geometry.image
    return PixelBuffer(
      width: size.width, height: size.height,
      pixels: Array(repeating: 128, count: size.width * size.height * 3))
  }

  /// Writes `samples/NAME.png` and its `.json`: the same prompts and noises every time.
  private func writeSamples(_ evaluation: Evaluation, _ training: ImageScores) throws {
    let count = min(recipe.evaluation.samples, evaluation.images.count)
    let chosen = (0..<count).map { $0 * evaluation.images.count / count }
    let columns = max(1, min(count, 8))
    let gutter = 2
    let strict = evaluation.rewards[part: "strict"]
    let tiles = chosen.map { evaluation.images[$0].reduced(toFit: Self.pictureSide) }
    let sheet = SampleSheet(
      epoch: state.epoch, columns: columns, tileWidth: tiles[0].width, tileHeight: tiles[0].height,
      gutter: gutter,
      samples: chosen.map { index in
        SampleSheet.Sample(
          prompt: evaluation.prompts[index].text, tag: evaluation.prompts[index].tag,
          seed: seed(ofImage: index), reward: training.weighted[index],
          passed: strict?[index].map { $0 == 1 })
      })
    let grid = ContactSheet(columns: columns, gutter: gutter).image(of: tiles)
    let path = "\(output.directory.samples)/\(sampleName)"
    try PNG.write(grid, to: "\(path).png")
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try AtomicFile.write(try encoder.encode(sheet) + Data("\n".utf8), to: "\(path).json")
  }

  /// The seed of an evaluation image's initial noise, as `ImageSampling` draws it.
  private func seed(ofImage index: Int) -> UInt64 {
    noiseSeed(
      run: recipe.evaluation.seed, epoch: 0, prompt: index, seed: 0, step: -1, branch: 0)
  }

  private var sampleName: String {
    if state.epoch == 0 { return "before" }
    if isFinished { return "after" }
    let digits = String(state.epoch)
    return "epoch-" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }
}
