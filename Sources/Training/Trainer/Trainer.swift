internal import Foundations
package import ProcessGroups
internal import Rewards
package import Runs
internal import TempFlow
internal import Torch
internal import TorchNN

/// TempFlow-GRPO (arXiv 2508.04324) and its baselines.
///
///     repeat for every epoch:
///       take P prompts and S noises each, the trunks
///       roll every trunk out; at each trained step K branches leave it
///       decode and score every branch while the rollout goes on
///       turn rewards into advantages, within groups
///       split the (trunk, step) samples over the updates, and for each update:
///         one forward pass and one vector-Jacobian product per sample; clip; AdamW; average
///       with a loss on finished samples: move the old policy toward the trained one
///
/// The trainer runs on the main actor, because libtorch's modes belong to a thread. Only scoring
/// runs elsewhere, on plain values.
///
/// Several processes train as one would: each makes the whole list of an epoch's work and does its
/// share of the rollout's columns and of every update's samples; rewards and statistics go to all,
/// gradients are added, and every process makes the same update. Whatever may fail on one process
/// ends with an exchange of outcomes (`ProcessGroup.agree`), so that all stop together.
@MainActor
package final class Trainer {
  let recipe: TrainingRecipe
  let memory: MemoryMeter
  let context: TrainingContext
  private let prompts: RunPrompts
  private let scorer: Scorer
  private let collector: RolloutCollector
  private let update: PolicyUpdate
  private let evaluator: Evaluator
  private let checkpointer: Checkpointer
  private let samples: SampleWriter
  private var state: TrainingState
  /// Why the run stops before its end, other than a signal.
  private var stopReason: String?

  private var output: RunOutput { context.output }
  private var policy: Policy { context.policy }

  /// Loads the recipe's model, prompts and rewards, and restores the newest sound checkpoint of a
  /// resumed run.
  ///
  /// - Parameters:
  ///   - scorer: in place of the recipe's rewards.
  ///   - group: the processes of the run, all of which make a trainer.
  /// - Throws: what is wrong with the model, the prompts, the rewards, the run directory or its
  ///   checkpoints, each as its own typed error; the failure of another process.
  package init(
    _ recipe: TrainingRecipe, scorer: Scorer? = nil, output: RunOutput,
    group: ProcessGroup = .alone
  ) throws {
    let stopwatch = PhaseStopwatch()
    stopwatch.begin(.load)
    if let threads = recipe.threads ?? group.threadCount { TorchRuntime.threadCount = threads }
    self.recipe = recipe
    let place = try group.rewardPlace()
    let (rewards, heldOut, prompts) = try group.agree("loading the rewards") {
      let rewards = try scorer ?? Scorer(recipe.rewards, at: place)
      let heldOut = try recipe.heldOutRewards.map { entry throws(RewardError) in
        try entry.reward.makeReward(at: place.within("held_out_rewards"))
      }
      return (rewards, heldOut, try RunPrompts(recipe))
    }
    self.scorer = rewards
    self.prompts = prompts
    let (meter, policy, fingerprint, software) = try group.agree("loading the model") {
      let memory = try RunMemory(
        recipe, prompts, output.checkpoints, in: output.directory.checkpoints,
        processes: group.size, perHost: group.localSize)
      let policy = try memory.meter.measure(.load) {
        try Policy(
          recipe, prompts, decodeMicroBatch: memory.decodeMicroBatch, progress: output.progress,
          group)
      }
      if policy.takesSources, prompts.training[0].images.isEmpty {
        try output.message(
          "the prompts name no source image (\"image\"), so the model draws from the text alone")
      }
      return (
        memory.meter, policy, try RunFingerprint(recipe, prompts, policy),
        try Checkpointer.software(on: recipe.device)
      )
    }
    memory = meter
    try fingerprint.checkEqual(in: group)
    context = try TrainingContext(recipe, policy, meter, output, group)
    update = PolicyUpdate(context)
    collector = RolloutCollector(context: context, scorer: rewards)
    evaluator = Evaluator(
      context: context, scorer: rewards, heldOut: heldOut, prompts: prompts.evaluation,
      average: update.average)
    samples = SampleWriter(recipe: recipe.evaluation, folder: output.directory.samples)
    checkpointer = Checkpointer(context, update, fingerprint, software: software)
    state = try checkpointer.restore()
    // Adapters to start from may differ between hosts.
    if group.size > 1 { try checkpointer.checkWeights(state) }
    stopwatch.end()
    state.add(stopwatch.seconds)
    let epoch = state.epoch
    try group.agree("the timings") {
      try output.append(.start, .loadSeconds, stopwatch, epoch: epoch)
    }
  }

  /// Trains until the last epoch, the time limit, a signal or a stop reason.
  ///
  /// - Returns: the run's summary.
  /// - Throws: what stopped the run; everything up to the last checkpoint is on disk.
  package func train() async throws -> RunSummary {
    do {
      if !isFinished {
        try context.group.lead("the outcome of an earlier end") {
          if let folder = try output.directory.putOutcomeAside(epochs: state.epoch) {
            try output.message("The result of the earlier end is in \(folder) now.")
          }
        }
      }
      try await evaluateAndSave()
      output.progress.begin(
        "training", total: recipe.epochs, unit: "epoch", step: state.epoch,
        share: state.progress(of: recipe), best: state.bestScore)
      while try goesOn() {
        try await trainEpoch()
        try await evaluateAndSave()
      }
      output.progress.end()
      return isFinished ? try await finish() : try pause()
    } catch let error as RewardError {
      throw try interrupted(by: error.description)
    } catch let error as PeerFailure where error.isReward {
      throw try interrupted(by: error.description)
    }
  }

  /// Whether another epoch begins: not after a signal to any of the processes.
  private func goesOn() throws -> Bool {
    guard !isFinished, stopReason == nil else { return false }
    let signal = StopSignal.isRequested ? StopSignal.name ?? "a signal" : nil
    stopReason = try context.group.gather(signal, "the next epoch").compactMap { $0 }.first
    return stopReason == nil
  }

  /// Evaluates and saves where either is due after the epochs completed.
  private func evaluateAndSave() async throws {
    if state.epoch % recipe.evaluation.every == 0 { try await evaluate() }
    if state.epoch % recipe.checkpoints.every == 0 { try checkpointer.save(&state) }
  }

  /// Whether no further epoch begins.
  private var isFinished: Bool {
    state.epoch >= recipe.epochs || recipe.timeLimit.map { state.trainingSeconds >= $0 } ?? false
  }
}

// MARK: - An epoch

extension Trainer {
  /// One rollout and its updates.
  ///
  /// - Returns: what the epoch measured, and its phases' seconds.
  @discardableResult
  func trainEpoch() async throws -> (EpochReport, PhaseStopwatch) {
    let stopwatch = PhaseStopwatch(recipe.device)
    let report = try await epoch(stopwatch)
    let ranks = try context.group.gather(RankSeconds(stopwatch), "the times")
    // Those of the first process, so that the time limit ends all after the same epoch.
    state.complete(stopwatch, seconds: ranks[0].epoch)
    let state = state
    try context.group.agree("the metrics") {
      try output.append(report, stopwatch, ranks, state, recipe)
    }
    try checkProgress(report)
    return (report, stopwatch)
  }

  private func epoch(_ stopwatch: PhaseStopwatch) async throws -> EpochReport {
    stopwatch.begin(.epoch)
    defer { stopwatch.end() }
    let prompts = prompts.epoch(state.epoch)
    let trunks = context.trunks(promptCount: prompts.count)
    let velocity = try context.group.agree("the prompts of the epoch") {
      try memory.measure(.text, by: stopwatch) { try policy.velocity(of: prompts, trunks) }
    }
    let rollout = try await collector.collect(
      prompts, trunks, velocity, epoch: state.epoch, stopwatch)
    try rollout.scores.missing.check(
      against: recipe.maxMissingScores, of: rollout.samples.count)
    let rewards = rollout.rewardRows
    try checkGroupSizes(
      rewards, expected: recipe.sampling.seedsPerPrompt * recipe.sampling.branches)
    let advantages = Advantages(
      rewards, recipe.advantage.settings(weights: scorer.weights),
      trunkRewards: rollout.trunkRewards)
    let updates = try memory.measure(.learning, by: stopwatch) {
      try update.run(on: rollout.rollout, advantages, velocity, &state, stopwatch)
    }
    return EpochReport(rollout, rewards, weights: scorer.weights, advantages, updates)
  }

  /// Warns of an epoch without an advantage, and stops the run after some in a row.
  private func checkProgress(_ report: EpochReport) throws {
    if let reason = state.countDegenerateEpochs(report) { stopReason = reason }
    guard let cause = report.degenerateCause else { return }
    try context.message(
      "warning: epoch \(state.epoch): \(cause), so no image has an advantage and no reward changed "
        + "the weights; look at the samples and at the reward")
  }
}

// MARK: - Evaluation

extension Trainer {
  /// Measures the present weights, unless they are measured already, and writes a sample grid.
  private func evaluate() async throws {
    guard !state.isEvaluated else { return }
    let stopwatch = PhaseStopwatch()
    stopwatch.begin(.evaluation)
    let evaluation = try await evaluator.evaluate()
    state.add(evaluation)
    try context.group.lead("the sample grid") {
      try samples.write(evaluation, epoch: state.epoch, isLast: isFinished)
    }
    if let reason = try evaluator.report(evaluation, state) { stopReason = reason }
    stopwatch.end()
    state.add(stopwatch.seconds)
    try context.group.agree("the timings") {
      try output.append(.evaluation, .evaluationSeconds, stopwatch, epoch: state.epoch)
    }
  }
}

// MARK: - The end of a run

extension Trainer {
  /// Measures, saves and exports the trained weights; writes the summary and the tree.
  private func finish() async throws -> RunSummary {
    try await evaluate()
    try checkpointer.save(&state)
    try context.group.lead("the export") {
      try update.average.withAverages {
        try policy.export(context.loraRecord(state), to: output.directory)
      }
      try samples.showAsLast(epoch: state.epoch)
    }
    // The run is complete without the tree, which other processes wait for.
    let summary = try summarize(stoppedBy: nil)
    do {
      try await context.group.agree("the branch tree") {
        try await TreeWriter(context: context, scorer: scorer)
          .write(prompts.evaluation, epoch: state.epoch)
      }
    } catch let error as RewardError {
      try warnOfNoTree(error.description)
    } catch let error as PeerFailure where error.isReward {
      try warnOfNoTree(error.description)
    }
    return summary
  }

  private func warnOfNoTree(_ reason: String) throws {
    try context.message("warning: the run is complete, but for its branch tree: \(reason)")
  }

  /// Saves a run that a signal or a stop reason ended early.
  private func pause() throws -> RunSummary {
    try checkpointer.save(&state)
    let reason = stopReason ?? "a signal"
    try context.message(
      "Stopped by \(reason) after epoch \(state.epoch) of \(recipe.epochs); everything is saved in "
        + "\(output.directory.path), and --resume goes on.")
    return try summarize(stoppedBy: reason)
  }

  /// Saves the epochs completed when a reward fails. A resumed run repeats the epoch under way.
  ///
  /// - Returns: the error that ends the run.
  private func interrupted(by reason: String) throws -> TrainingError {
    output.progress.end()
    try checkpointer.save(&state)
    if !state.evaluations.isEmpty { _ = try summarize(stoppedBy: reason) }
    return .rewards(
      reason: reason, epoch: state.epoch,
      checkpoint: try output.checkpoints?.newest().checkpoint?.path
        ?? output.directory.checkpoints)
  }

  private func summarize(stoppedBy: String?) throws -> RunSummary {
    state.add(memory)
    let summary = RunSummary(
      context, state, prompts: prompts.evaluation.count, stoppedBy: stoppedBy)
    try context.group.lead("the summary") { try summary.write(to: output.directory.summary) }
    return summary
  }
}
