internal import FlowMatching
internal import JSON
internal import Rewards
package import Runs
internal import TempFlow
internal import Torch
internal import TorchNN

/// TempFlow-GRPO (arXiv 2508.04324) and its Flow-GRPO baseline: from a recipe to a better model.
///
///     repeat for every epoch:
///       take P prompts and S noises each, the trunks
///       roll every trunk out; at each trained step K branches leave it
///       decode and score every branch, while the rollout goes on
///       turn rewards into advantages, within groups
///       split the (trunk, step) pairs over the updates:
///         one forward, one vector-Jacobian product per pair; clip; AdamW; average
///
/// The trainer owns the main actor: libtorch's modes belong to a thread, and everything that
/// touches a tensor happens on this one. Only scoring leaves it, with plain values.
@MainActor
package final class Trainer {
  let recipe: TrainingRecipe
  let policy: Policy
  let plan: RolloutPlan
  let order: PromptOrder
  let split: UpdateSplit
  let scorer: Scorer
  /// What is scored on evaluation images alone, in the order of the recipe's `held_out_rewards`.
  let watched: [any Reward]
  let optimizer: AdamW
  let average: ExponentialMovingAverage
  let trainingPrompts: [Prompt]
  let evaluationPrompts: [Prompt]
  let output: RunOutput
  /// What the run reads beside its recipe.
  let fingerprint: RunFingerprint
  /// Latents decoded at once.
  let decodeMicroBatch: Int
  let memory: MemoryMeter
  var state = TrainingState()
  /// Epochs completed at the newest checkpoint; nil before the first.
  var savedEpoch: Int?
  /// Why the run is to stop before its end, other than a signal.
  var stopReason: String?

  /// Loads what the recipe names; goes on from the newest sound checkpoint of a resumed run.
  ///
  /// - Parameter scorer: in place of the recipe's rewards.
  /// - Throws: what is wrong with the model, the prompts, the rewards, the run directory or its
  ///   checkpoints, each as its own typed error.
  package init(_ recipe: TrainingRecipe, scorer: Scorer? = nil, output: RunOutput) throws {
    let start = ContinuousClock.now
    if let threads = recipe.threads { TorchRuntime.threadCount = threads }
    self.recipe = recipe
    self.output = output
    self.scorer = try scorer ?? Scorer(recipe.rewards)
    watched = try recipe.heldOutRewards.map { watch throws(RewardError) in
      try watch.reward.makeReward()
    }
    let rewards = recipe.allRewards
    trainingPrompts = try PromptList.read(recipe.prompts.train, for: rewards)
    let heldOut = try PromptList.read(recipe.prompts.evaluation, for: rewards)
    evaluationPrompts = Array(heldOut.prefix(recipe.evaluation.prompts ?? heldOut.count))
    let outline = try ModelMetadata(recipe)
    let evaluationCount = evaluationPrompts.count
    let memoryPlan = MemoryPlan(recipe, outline, evaluationPrompts: evaluationCount)
    TorchRuntime.keepFreedMemory(upTo: memoryPlan.keptBlockBytes)
    decodeMicroBatch = memoryPlan.decodeMicroBatch
    let memory = MemoryMeter(recipe.device)
    memory.advice = { [checkpoints = output.checkpoints] phase in
      OutOfMemory.Advice(
        phase: phase, recipe, outline, evaluationPrompts: evaluationCount,
        decodeMicroBatch: memoryPlan.decodeMicroBatch, checkpoints)
    }
    self.memory = memory
    order = PromptOrder(
      count: trainingPrompts.count, promptsPerEpoch: recipe.prompts.perEpoch, seed: recipe.seed)
    var prompts = evaluationPrompts.map(\.text)
    for position in order.used(epochs: recipe.epochs) {
      prompts.append(trainingPrompts[position].text)
    }
    policy = try memory.measure("load") { [prompts, decodeMicroBatch] in
      try Policy(
        recipe, prompts: prompts, decodeMicroBatch: decodeMicroBatch, progress: output.progress)
    }
    fingerprint = try RunFingerprint(recipe, text: policy.textDigests)
    plan = try recipe.sampling.rolloutPlan(policy.schedule(steps: recipe.sampling.steps))
    try plan.checkWeights()
    split = UpdateSplit(
      samples: recipe.trainingSamplesPerEpoch, updates: recipe.optimizer.updatesPerEpoch,
      microBatch: recipe.optimizer.microBatch, seed: recipe.seed)
    optimizer = AdamW(policy.trainable, recipe.optimizer.settings)
    average = ExponentialMovingAverage(
      policy.trainable, limit: recipe.ema.decay, interval: recipe.ema.updateEvery)
    try restore()
    try output.started(seconds: start.duration(to: .now) / .seconds(1), &state)
  }

  /// Trains until the last epoch, the time limit, a signal or an alarm of a watched reward; returns
  /// what came of it.
  ///
  /// - Throws: what stopped the run; everything up to the last checkpoint is on disk.
  package func train() async throws -> RunSummary {
    do {
      try await measureAndSave()
      output.progress.begin(
        "training", total: recipe.epochs, step: state.epoch, best: state.bestScore)
      while !isFinished, !StopSignal.isRequested, stopReason == nil {
        try await trainEpoch()
        try await measureAndSave()
      }
      output.progress.end()
      return isFinished ? try await finish() : try pause()
    } catch let error as RewardError {
      throw try interrupted(by: error.description)
    }
  }

  /// Evaluates and saves what is due after the epochs completed.
  private func measureAndSave() async throws {
    if state.epoch % recipe.evaluation.every == 0, !state.isEvaluated { try await evaluate() }
    if state.epoch % recipe.checkpoints.every == 0, savedEpoch != state.epoch { try save() }
  }

  /// Whether no further epoch is to begin.
  var isFinished: Bool {
    state.epoch >= recipe.epochs || recipe.timeLimit.map { state.trainingSeconds >= $0 } ?? false
  }

  /// One round of rollout and learning.
  @discardableResult
  func trainEpoch() async throws -> (EpochReport, PhaseSeconds) {
    let start = ContinuousClock.now
    var phases = PhaseSeconds(recipe.device)
    let prompts = order.prompts(epoch: state.epoch).map { trainingPrompts[$0] }
    let trunks = trunks(promptCount: prompts.count)
    let conditions = try measure("text", &phases) {
      try policy.conditions(prompts.map(\.text))
    }
    let (rows, guidanceScale) = (trunks.map(\.prompt), recipe.sampling.guidanceScale)
    let steps = trainedSteps

    let evaluationsBefore = policy.evaluationCount
    let field = policy.field(conditions, rows: rows, guidanceScale)
    var (rollout, scores) = try await rollOut(
      prompts, trunks,
      telling(
        "rollout", of: trunks.count * plan.evaluationsPerTrunk(steps: steps),
        field(plan.rowsPerCall(trunks: trunks.count, steps: steps))), &phases)
    try checkMissing(scores.images.missing, of: scores.samples.count)
    let rewards = rollout.rewardRows(scores.byBranch)
    try checkGroupSizes(
      rewards, expected: recipe.sampling.seedsPerPrompt * recipe.sampling.branches)
    let advantages = Advantages(rewards, recipe.advantage.settings(weights: scorer.weights))
    var report = EpochReport(images: scores.images, advantages: advantages)
    report.rewardPerStep = meanRewardPerStep(rewards)
    report.nfe = policy.evaluationCount - evaluationsBefore

    var updating = PhaseSeconds(recipe.device)
    try measure("learning", &phases) {
      let field = field(learningMicroBatch)
      let reference = policy.reference(
        conditions, rows: rows, guidanceScale, size: learningMicroBatch)
      let objective = recipe.loss.objective
      let trainingSamples = rollout.trainingSamples(advantages)
      let updates = split.updates(epoch: state.epoch).map { $0.map { trainingSamples[$0] } }
      if recipe.loss.oldLogProb == .recomputed {
        let pairs = updates.dropFirst().joined().count { !$0.isSkippable(objective) }
        policy.learning {
          rollout.recomputeOldVelocities(
            of: updates, objective, microBatch: learningMicroBatch,
            field: telling("old velocities", of: pairs, field))
        }
      }
      let learned = telling("learning", of: trainingSamples.count { !$0.isSkippable(objective) }, field)
      for update in updates {
        try learn(from: update, of: rollout, learned, reference, &report, &updating)
      }
    }
    phases.add("optimizer", updating["optimizer"])
    phases.add("all", start.duration(to: .now) / .seconds(1))
    try complete(report, phases)
    return (report, phases)
  }

  /// Makes the epoch's images; scores them on other threads meanwhile.
  private func rollOut(
    _ prompts: [Prompt], _ trunks: [TrunkID], _ field: @escaping VelocityField,
    _ phases: inout PhaseSeconds
  ) async throws -> (Rollout, BranchScores) {
    let queue = ScoringQueue(scorer)
    // Nobody waits for scores any more once this returns or throws.
    defer { queue.cancel() }
    var samples: [SampleID] = []
    var failures = FailedImages()
    var decoding = PhaseSeconds(recipe.device)
    let rollout = try measure("rollout", &phases) {
      try TorchRuntime.withSingleThreadedOps { () throws(RewardError) in
        try TempFlow.rollOut(plan, trunks: trunks, noise: epochNoise, field: field) {
          finished throws(RewardError) in
          let images = measure("decode", &decoding) { policy.decode(finished.latents) }
          let batch = zip(images, finished.ids).map { image, id in
            let prompt = prompts[trunks[id.trunk].prompt]
            failures.add(image, of: prompt, id)
            return image.map { RewardSample(image: $0, prompt: prompt) }
          }
          let start = ContinuousClock.now
          try queue.add(batch)
          decoding.add("reward", start.duration(to: .now) / .seconds(1))
          samples += finished.ids
        }
      }
    }
    for phase in ["decode", "reward"] {
      phases.add("rollout", -decoding[phase])
      phases.add(phase, decoding[phase])
    }
    let start = ContinuousClock.now
    let scores = try await queue.finish()
    phases.add("reward", start.duration(to: .now) / .seconds(1))
    if let text = failures.text(of: samples.count) {
      try output.say("warning: epoch \(state.epoch + 1): \(text)")
    }
    return (rollout, BranchScores(samples: samples, images: scores))
  }

  /// One optimizer update from its share of the (trunk, step) pairs.
  private func learn(
    from samples: [TrainingSample], of rollout: Rollout, _ field: @escaping VelocityField,
    _ reference: VelocityField?, _ report: inout EpochReport, _ phases: inout PhaseSeconds
  ) throws {
    let update = report.updates.count
    func attempt() -> (PolicyStatistics, norm: Double) {
      optimizer.zeroGradients()
      let scale = state.lossScale?.value ?? 1
      let statistics = policy.learning {
        policyGradient(
          recipe.loss.objective, rollout: rollout, samples: samples, microBatch: learningMicroBatch,
          gradientScale: scale, field: field, reference: reference, backward: policy.backward)
      }
      if scale != 1 { scaleGradients(policy.trainable, by: 1 / scale) }
      return (statistics, clipGradientNorm(policy.trainable, limit: recipe.optimizer.maxGradNorm))
    }
    if recipe.dtype == .float16, state.lossScale == nil {
      state.lossScale = LossScale(
        elements: policy.latentShape.reduce(1, *), samples: samples.count)
    }
    var (statistics, norm) = attempt()
    try check(update) { () throws(InvariantError) in
      try statistics.checkFinite()
      if update == 0 {
        try statistics.checkFirstUpdate(
          clipRange: recipe.loss.objective.clipRange,
          recomputed: recipe.loss.oldLogProb == .recomputed)
      }
    }
    // Nothing was learned from gradients beyond float16's range: the same update once more.
    while !norm.isFinite, state.lossScale?.lower() == true { (statistics, norm) = attempt() }
    try check(update) { () throws(InvariantError) in
      guard norm.isFinite else { throw .notFinite(what: "the gradient", step: nil) }
    }
    state.lossScale?.succeed()
    phases.measure("optimizer") {
      optimizer.step()
      average.update()
    }
    state.updates += 1
    report.updates.append(statistics)
    report.gradientNorms.append(norm)
    report.lossScale = state.lossScale?.value
  }

  /// Counts the epoch and writes what it measured.
  private func complete(_ report: EpochReport, _ phases: PhaseSeconds) throws {
    state.epoch += 1
    state.trainingSeconds += phases["all"]
    state.add(phases)
    state.bestReward = [state.bestReward, report.rewardMean].compactMap { $0 }.max()
    try output.append(
      [.init(.epoch), .init(.epoch, .int(state.epoch))]
        + report.members(recipe, updatesSoFar: state.updates))
    try output.append(phases, scoring: report.images.seconds, state)
    if !report.images.missing.counts.isEmpty {
      try output.say("epoch \(state.epoch): scores missing: \(report.images.missing.text)")
    }
    try checkProgress(report)
    output.progress.update(
      state.epoch, meanReward: report.rewardMean, best: state.bestScore,
      missing: report.images.weighted.count { $0 == nil })
  }
}

// MARK: - Small parts

extension Trainer {
  /// The trunks of an epoch: S (or S·K) noises for each of `promptCount` prompts. Prompts are
  /// numbered by their place in the epoch, so that a prompt may come twice.
  func trunks(promptCount: Int) -> [TrunkID] {
    (0..<promptCount).flatMap { prompt in
      (0..<recipe.sampling.trunksPerPrompt).map { TrunkID(prompt: prompt, seed: $0) }
    }
  }

  /// The steps that the epoch under way trains.
  var trainedSteps: [Int] {
    plan.steps.steps(stepCount: plan.schedule.stepCount, run: recipe.seed, epoch: state.epoch)
  }

  /// Pairs of one forward pass with gradients at most. On a GPU all passes have this size.
  private var learningMicroBatch: Int {
    recipe.device == .cpu ? recipe.optimizer.microBatch : split.samplesPerForward
  }

  /// The noise of the epoch under way.
  var epochNoise: NoiseSource {
    NoiseSource(
      run: recipe.seed, epoch: state.epoch, shape: policy.latentShape, device: recipe.device,
      generatorDevice: recipe.sampling.noiseGenerator == .cpu ? .cpu : nil)
  }

  /// The same velocity; every call tells how much of a part of the epoch is done.
  private func telling(
    _ part: String, of total: Int, _ field: @escaping VelocityField
  ) -> VelocityField {
    var done = 0
    return { [progress = output.progress] latents, sigma, trunks in
      let velocity = field(latents, sigma, trunks)
      done += trunks.count
      progress.update(.init(part, done, of: total))
      return velocity
    }
  }

  /// Runs a phase; adds its time to `phases` and notes its memory.
  private func measure<Result>(
    _ phase: String, _ phases: inout PhaseSeconds, _ body: () throws -> Result
  ) rethrows -> Result {
    try memory.measure(phase) { try phases.measure(phase, body) }
  }

  /// Mean of the weighted reward over the rows of each trained step.
  private func meanRewardPerStep(_ rows: [RewardRow]) -> [(step: Int, mean: Double)] {
    var values: [Int: [Double]] = [:]
    for row in rows {
      let present = row.rewards.compactMap { $0 }
      guard present.count == row.rewards.count else { continue }
      let sum = zip(present, scorer.weights).reduce(0) { $0 + $1.0 * $1.1 }
      values[row.step, default: []].append(sum)
    }
    return values.sorted { $0.key < $1.key }.map { step, values in
      (step, values.reduce(0, +) / Double(values.count))
    }
  }

  /// Turns a failed check into an error that says where, and from where to go on.
  private func check(
    _ update: Int, _ body: () throws(InvariantError) -> Void
  ) throws {
    do throws(InvariantError) {
      try body()
    } catch {
      throw TrainingError.invariant(
        epoch: state.epoch + 1, update: update + 1, reason: error.description,
        lastGood: try output.checkpoints.newest().checkpoint?.path)
    }
  }
}

/// The scores of a rollout's images, in the order the images came.
struct BranchScores {
  let samples: [SampleID]
  let images: ImageScores

  /// The rewards of each sample.
  var byBranch: [SampleID: [Double?]] {
    Dictionary(uniqueKeysWithValues: zip(samples, images.rewards))
  }
}
