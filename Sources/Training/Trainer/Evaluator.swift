internal import DiffusionModels
internal import Foundations
internal import ImageFiles
internal import ProcessGroups
internal import Rewards
internal import Runs
internal import TempFlow
internal import TorchNN

/// What an evaluation measured on the held-out prompts.
struct HeldOutEvaluation {
  let prompts: [Prompt]
  /// The images of the sample grid, reduced, by the place of their prompt.
  let tiles: [(prompt: Int, image: PixelBuffer)]
  /// The condition images of each prompt, as the model saw them.
  let sources: [[PixelBuffer]]
  /// The scores of the trained rewards.
  let training: ImageScores
  /// The name and the scores of the first reward.
  let first: (reward: String, scores: RewardScores)
  /// The scores of the held-out rewards, in the recipe's order.
  let heldOut: [(name: String, score: Score)]

  /// Whether each image passes by the first reward, where it says so: by the rules of its
  /// benchmark, or else by strict ones.
  var verdicts: (part: String, values: [Double?])? {
    ["official", "strict"].lazy.compactMap { part in
      first.scores[part: part].map { (part, $0) }
    }.first
  }

  /// The verdicts of the first reward, or its scores where it has none.
  var scores: TaggedScores { TaggedScores(prompts, verdicts?.values ?? first.scores.total) }

  /// What `scores` are, such as `shapes_strict` or `geneval_official`.
  var scoreName: String { verdicts.map { "\(first.reward)_\($0.part)" } ?? first.reward }

  /// Mean of the weighted training reward; nil when no image has one.
  var trainingReward: Double? { Statistics(training.weighted).mean }
}

/// Measures the averaged weights on the held-out prompts: the same prompts, noises and settings
/// each time.
@MainActor
struct Evaluator {
  let context: TrainingContext
  let scorer: Scorer
  /// The rewards that are scored and not trained on.
  let heldOut: [any Reward]
  let prompts: [Prompt]
  let average: ExponentialMovingAverage

  private var recipe: TrainingRecipe { context.recipe }

  /// Makes one image per prompt, and scores it by every reward. Every process makes some.
  ///
  /// - Throws: `TrainingError` for an image that cannot be made or a condition image that cannot be
  ///   read; `RewardError`, also when more scores are missing than the recipe allows; the failure
  ///   of another process.
  func evaluate() async throws -> HeldOutEvaluation {
    let all = Scorer(
      scorer.rewards + heldOut, weights: scorer.weights + heldOut.map { _ in 0 })
    return try await context.scoring(by: all) { try await evaluate(by: all, into: $0) }
  }

  private func evaluate(by all: Scorer, into queue: ScoringQueue) async throws -> HeldOutEvaluation
  {
    let range = context.share.range(of: prompts.count)
    let sources = try context.group.agree("the evaluation's prompts") {
      // What cannot be read must be known before calls of the network that are collectives; idle
      // ones take the first prompt.
      if context.sharesWeights {
        try context.policy.check(Array(prompts[range]) + prompts.prefix(1))
      }
      return try context.conditionImages.of(prompts)
    }
    let tiles = try context.group.agree("the evaluation") {
      let images = try context.memory.measure(.evaluation) {
        try average.withAverages {
          let images = try context.policy.images(of: prompts, range, sampling)
          for _ in 0..<idleBatches(range.count) {
            _ = try context.policy.images(of: prompts, 0..<1, sampling)
          }
          return images
        }
      }
      for piece in pieces(of: range, images, sources) { try queue.add(piece) }
      let size = context.policy.imageSize
      return chosen.filter(range.contains).map {
        images[$0 - range.lowerBound].picture(size).tile
      }
    }
    let scoring = SharedScoring(
      group: context.group, queue: queue, size: context.policy.imageSize,
      progress: context.output.progress
    ) { id, image in
      RewardSample(image: image, sources: sources[id.trunk], prompt: prompts[id.trunk])
    }
    let columns = all.columns(try await scoring.finish("the evaluation's scores"))
    let training = scorer.combine(Array(columns.prefix(scorer.rewards.count)))
    let ofHeldOut = columns.suffix(heldOut.count)
    // A trained and a held-out reward may have one name.
    for missing in [training.missing, MissingScores(of: heldOut, in: Array(ofHeldOut))] {
      try missing.check(against: recipe.maxMissingScores, of: prompts.count)
    }
    return HeldOutEvaluation(
      prompts: prompts, tiles: try gather(tiles), sources: sources, training: training,
      first: (scorer.rewards[0].name, columns[0]),
      heldOut: zip(heldOut, ofHeldOut).map { reward, column in
        (reward.name, TaggedScores(prompts, column.total).overall)
      })
  }

  /// Batches that other processes have beyond this one's, where calls of the network are
  /// collectives.
  private func idleBatches(_ own: Int) -> Int {
    guard context.sharesWeights else { return 0 }
    func batches(_ count: Int) -> Int { (count + sampling.batch - 1) / sampling.batch }
    return batches(context.share.most(of: prompts.count)) - batches(own)
  }

  /// The images of some prompts, to be scored. One process alone scores all in one batch; of
  /// several, one that is behind hands pieces to others.
  ///
  /// - Parameter range: the places of the prompts, which stand for trunks.
  private func pieces(
    of range: Range<Int>, _ images: [Result<PixelBuffer, NonFiniteImage>],
    _ sources: [[PixelBuffer]]
  ) -> [ScoringPiece] {
    let limit = context.group.size > 1 ? recipe.sampling.microBatch : prompts.count
    return stride(from: 0, to: range.count, by: limit).enumerated().map { number, start in
      let places = range.dropFirst(start).prefix(limit)
      return ScoringPiece(
        .init(rank: context.group.rank, number: number),
        places.map { SampleID(trunk: $0, step: nil) },
        places.map { place in
          images[place - range.lowerBound].map {
            RewardSample(image: $0, sources: sources[place], prompt: prompts[place])
          }
        })
    }
  }

  /// The places of the prompts in the sample grid: evenly spaced.
  private var chosen: [Int] {
    let count = min(recipe.evaluation.samples, prompts.count)
    return (0..<count).map { $0 * prompts.count / count }
  }

  /// The tiles of all processes. All have one size.
  private func gather(
    _ own: [PixelBuffer]
  ) throws(ProcessGroupError) -> [(prompt: Int, image: PixelBuffer)] {
    let parts = try context.group.gather(own.flatMap(\.pixels), "the sample grid")
    let pixels = Array(parts.joined())
    let blank = PixelBuffer.gray(context.policy.imageSize).tile
    let count = blank.pixels.count
    return chosen.enumerated().map { place, prompt in
      let image = PixelBuffer(
        width: blank.width, height: blank.height,
        pixels: Array(pixels[(place * count)..<((place + 1) * count)]))
      return (prompt, image)
    }
  }

  /// Writes the line of the metrics and a message, and warns of reward hacking.
  ///
  /// - Parameter state: with the evaluation.
  /// - Returns: why the run has to stop; nil when it goes on.
  /// - Throws: `RunError` when a log cannot be written; the failure of another process.
  func report(_ evaluation: HeldOutEvaluation, _ state: TrainingState) throws -> String? {
    let alarms = recipe.heldOutRewards.compactMap { entry in
      HeldOutAlarm(
        state.evaluations, name: entry.reward.label, threshold: entry.threshold,
        patience: entry.patience
      ).map { (entry, text: $0.text(entry.reward.label)) }
    }
    try context.group.agree("the metrics") {
      try context.output.append(
        [.init(.evaluation), .init(.epoch, .int(state.epoch))]
          + evaluation.members(scorer.rewards, alarms: alarms.map { $0.0.reward.label }))
    }
    try context.message("epoch \(state.epoch): \(evaluation.text)")
    for (_, text) in alarms {
      try context.message("warning: \(text); look at the samples for reward hacking")
    }
    return alarms.last { $0.0.action == .stop }?.text
  }

  private var sampling: ImageSampling {
    ImageSampling(
      steps: recipe.evaluation.steps, guidanceScale: recipe.evaluation.guidanceScale,
      seed: recipe.evaluation.seed, batch: recipe.sampling.microBatch)
  }
}

extension HeldOutEvaluation {
  /// The members of the line of the metrics after `kind` and `epoch`.
  ///
  /// - Parameters:
  ///   - rewards: the trained rewards.
  ///   - alarms: labels of held-out rewards.
  func members(_ rewards: [any Reward], alarms: [String]) -> [JSONValue.Member] {
    let overall = scores.overall
    let means = rewards.indices.map { index in
      JSONValue.Member(
        "\(MetricName.rewardMean.rawValue).\(rewards[index].name)",
        JSONValue(Statistics(training.rewards.map { $0[index] }).mean))
    }
    return [
      .init(.reward, .string(scoreName)),
      .init(.mean, JSONValue(overall.mean)),
      .init(.standardError, JSONValue(overall.standardError)),
      .init(.count, .int(overall.count)),
      .init(.tags, JSONValue(tags: scores.tags)),
      .init(.trainingRewardMean, JSONValue(trainingReward)),
    ] + means + [
      .init(.heldOutRewards, .object(heldOut.map { .init($0.name, JSONValue($0.score)) })),
      .init(.heldOutAlarms, .array(alarms.map { .string($0) })),
    ]
  }

  /// `shapes_strict 0.512 ± 0.022 on 64 held-out prompts; pickscore 0.871 (held-out reward)`
  var text: String {
    "\(scoreName) \(scores.overall.text) on \(scores.overall.count) held-out prompts"
      + heldOut.map { "; \($0.name) \($0.score.meanText) (held-out reward)" }.joined()
  }
}

extension JSONValue {
  /// null without a value.
  init(_ value: Double?) { self = value.map(JSONValue.double) ?? .null }
}
