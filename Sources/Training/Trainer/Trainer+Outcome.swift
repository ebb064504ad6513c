internal import Rewards
internal import Runs
internal import TempFlow
internal import Torch
internal import TorchNN

extension Trainer {
  /// Measures, saves and exports what was learned; writes the summary.
  func finish() async throws -> RunSummary {
    if !state.isEvaluated { try await evaluate() }
    if savedEpoch != state.epoch { try save() }
    try average.withAverages {
      try policy.export(loraRecord, to: output.directory)
    }
    try await recordTree()
    return try summarise(finished: true)
  }

  /// Saves where a signal or a watched reward stopped the run, so that `--resume` goes on from
  /// there.
  func pause() throws -> RunSummary {
    if savedEpoch != state.epoch { try save() }
    let reason = stopReason ?? StopSignal.name ?? "a signal"
    try output.say(
      "Stopped by \(reason) after epoch \(state.epoch) of \(recipe.epochs); everything is saved in "
        + "\(output.directory.path), and --resume goes on.")
    return try summarise(finished: false, stoppedBy: reason)
  }

  /// Saves the epochs completed when scores could not be had; nothing is learnt from the epoch
  /// under way, which a resumed run does again.
  ///
  /// - Returns: what is to be thrown.
  func interrupted(by reason: String) throws -> TrainingError {
    output.progress.end()
    if savedEpoch != state.epoch { try save() }
    if !state.evaluations.isEmpty { _ = try summarise(finished: false, stoppedBy: reason) }
    return .rewards(
      reason: reason, epoch: state.epoch,
      checkpoint: try output.checkpoints.newest().checkpoint?.path ?? output.directory.checkpoints)
  }

  /// Makes sure that no reward misses more scores than the recipe allows.
  ///
  /// - Parameter images: how many were to be scored.
  /// - Throws: `RewardError.missing`.
  func checkMissing(_ missing: MissingScores, of images: Int) throws(RewardError) {
    guard let excess = missing.excess(over: recipe.maxMissingScores, of: images) else { return }
    throw .missing("\(excess), and max_missing_scores allows \(recipe.maxMissingScores) of them")
  }

  /// Epochs on end without a single advantage after which a run stops: it costs what a run costs and
  /// learns nothing.
  private static let degenerateLimit = 5

  /// Warns of an epoch whose groups are all degenerate, and stops the run after some on end.
  func checkProgress(_ report: EpochReport) throws {
    guard report.advantages.degenerateShare == 1 else {
      state.degenerateEpochs = nil
      return
    }
    let count = (state.degenerateEpochs ?? 0) + 1
    let missing = report.images.weighted.count { $0 == nil }
    let cause =
      missing == 0
      ? "every group's images have the same reward"
      : "\(missing) of \(report.images.weighted.count) images have no score, and no group has two "
        + "different ones"
    try output.say(
      "warning: epoch \(state.epoch): \(cause), so no image has an advantage and rewards taught "
        + "nothing; look at the samples and at the reward")
    state.degenerateEpochs = count < Self.degenerateLimit ? count : nil
    if count == Self.degenerateLimit {
      stopReason = "\(count) epochs on end in which no image had an advantage"
    }
  }

  private func summarise(finished: Bool, stoppedBy: String? = nil) throws -> RunSummary {
    state.add(memory)
    let summary = RunSummary(
      recipe: output.recipeName, seed: Int(recipe.seed), epochs: state.epoch,
      isFinished: finished,
      evaluationProtocol: .init(
        prompts: recipe.prompts.evaluation.split(separator: "/").last.map(String.init) ?? "",
        promptCount: evaluationPrompts.count, imagesPerPrompt: 1, seed: Int(recipe.evaluation.seed),
        steps: recipe.evaluation.steps, guidanceScale: recipe.evaluation.guidanceScale, sampler: "ode",
        dtype: "\(recipe.dtype)", weights: "ema", reward: state.scoreName),
      evaluations: state.evaluations, phaseSeconds: state.phaseSeconds,
      trainingSeconds: state.trainingSeconds, peakMemory: state.peakMemory,
      stoppedBy: stoppedBy,
      machine: Machine(
        device: TorchRuntime.name(of: recipe.device) ?? "\(recipe.device)",
        torch: TorchRuntime.version, tf32: TorchRuntime.usesTF32(recipe.device)))
    try summary.write(to: output.directory.summary)
    return summary
  }
}
