internal import Runs
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

  /// Saves where a signal stopped the run, so that `--resume` goes on from there.
  func pause() throws -> RunSummary {
    if savedEpoch != state.epoch { try save() }
    let signal = StopSignal.name ?? "a signal"
    try output.say(
      "Stopped by \(signal) after epoch \(state.epoch) of \(recipe.epochs); everything is saved in "
        + "\(output.directory.path), and --resume goes on.")
    return try summarise(finished: false)
  }

  private func summarise(finished: Bool) throws -> RunSummary {
    state.add(memory)
    let summary = RunSummary(
      recipe: output.recipeName, seed: Int(recipe.seed), epochs: state.epoch,
      isFinished: finished,
      evaluationProtocol: .init(
        prompts: recipe.prompts.evaluation.split(separator: "/").last.map(String.init) ?? "",
        promptCount: evaluationPrompts.count, imagesPerPrompt: 1, seed: Int(recipe.evaluation.seed),
        steps: recipe.evaluation.steps, guidance: recipe.evaluation.guidance, sampler: "ode",
        dtype: "\(recipe.dtype)", weights: "ema", reward: state.scoreName),
      evaluations: state.evaluations, phaseSeconds: state.phaseSeconds,
      trainingSeconds: state.trainingSeconds, peakMemory: state.peakMemory,
      machine: Machine(device: "\(recipe.device)", torch: TorchRuntime.version))
    try summary.write(to: output.directory.summary)
    return summary
  }
}
