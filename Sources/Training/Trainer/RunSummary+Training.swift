internal import Runs
internal import Torch
internal import TorchNN

extension RunSummary {
  /// The summary of a run after `state`, which has an evaluation.
  ///
  /// - Parameters:
  ///   - prompts: of an evaluation.
  ///   - stoppedBy: what ended the run early; nil when it is finished.
  @MainActor
  init(
    _ context: TrainingContext, _ state: TrainingState, prompts: Int, stoppedBy: String?
  ) {
    let recipe = context.recipe
    self.init(
      recipe: context.output.recipeName, seed: Int(recipe.seed), epochs: state.epoch,
      isFinished: stoppedBy == nil,
      evaluationProtocol: .init(
        prompts: recipe.prompts.evaluation.split(separator: "/").last.map(String.init) ?? "",
        promptsDigest: state.fingerprint.digests[RunFingerprint.evaluationPrompts],
        promptCount: prompts, imagesPerPrompt: 1, seed: Int(recipe.evaluation.seed),
        steps: recipe.evaluation.steps, guidanceScale: recipe.evaluation.guidanceScale,
        imageSize: context.policy.imageSize.sides, maxSequenceLength: recipe.maxSequenceLength,
        sampler: "ode", dtype: "\(recipe.dtype)",
        quantizeBase: recipe.memory.quantizeBase.rawValue, weights: "ema",
        reward: state.scoreName),
      evaluations: state.evaluations, phaseSeconds: state.phaseSeconds,
      trainingSeconds: state.trainingSeconds, peakMemory: state.peakMemory, stoppedBy: stoppedBy,
      machine: Machine(
        device: TorchRuntime.name(of: recipe.device) ?? "\(recipe.device)",
        torch: TorchRuntime.version, tf32: TorchRuntime.usesTF32(recipe.device)))
  }
}
