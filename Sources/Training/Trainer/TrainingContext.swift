internal import DiffusionModels
internal import ProcessGroups
internal import Rewards
internal import Runs
internal import TempFlow
internal import Torch

/// What the parts of a trainer share: the run's settings, its model and its output.
@MainActor
struct TrainingContext {
  let recipe: TrainingRecipe
  let policy: Policy
  let plan: RolloutPlan
  let memory: MemoryMeter
  let output: RunOutput
  /// The processes of the run.
  let group: ProcessGroup

  /// - Throws: `RolloutPlanError` or `InvariantError` when the sampling settings make no rollout.
  init(
    _ recipe: TrainingRecipe, _ policy: Policy, _ memory: MemoryMeter, _ output: RunOutput,
    _ group: ProcessGroup
  ) throws {
    self.recipe = recipe
    self.policy = policy
    self.memory = memory
    self.output = output
    self.group = group
    plan = try recipe.rolloutPlan(policy.schedule(steps: recipe.sampling.steps))
    try plan.checkWeights(recipe.loss.objective.weighting)
    if let limit = recipe.sampling.noiseLimit, !plan.isNoiseLimited {
      try message(
        "warning: sampling.noise_limit: has no effect: no stochastic step adds more noise than "
          + "\(limit)")
    }
  }

  /// The part of every list of work that this process does.
  var share: WorkShare { WorkShare(group.rank, of: group.size) }

  /// Whether the processes share the frozen weights, so that every call of the network is a
  /// collective, which all must make equally often.
  var sharesWeights: Bool { recipe.sharing(of: group.size) > 1 }

  /// Scores images on other threads. Where `body` throws, all work of the queue has ended.
  ///
  /// - Parameter body: queues the images and waits for their scores.
  func scoring<Result>(
    by scorer: Scorer, _ body: @MainActor (ScoringQueue) async throws -> Result
  ) async throws -> Result {
    let queue = ScoringQueue(
      scorer, piecesAtOnce: piecesAtOnce(of: scorer), byteLimit: scoringBytes)
    do {
      return try await body(queue)
    } catch {
      await queue.drain()
      throw error
    }
  }

  /// How many pieces `scorer` has under way at the same time. A process with others leaves the rest
  /// free to move.
  private func piecesAtOnce(of scorer: Scorer) -> Int {
    guard group.size > 1 else { return Scorer.mostPiecesAtOnce }
    return scorer.piecesAtOnce(of: recipe.sampling.microBatch, cores: group.coresPerProcess)
  }

  /// Most bytes of images that wait for their scores. Pieces move to other processes when all
  /// images exist, so one whose reward is slow must not stop making them before: on GPUs, which
  /// need little of the host's memory, the processes of a host may fill an eighth of it.
  private var scoringBytes: Int {
    guard group.size > 1, case .cuda = recipe.device, let host = TorchRuntime.memory(of: .cpu)
    else { return ScoringQueue.byteLimit }
    return max(ScoringQueue.byteLimit, host / 8 / group.localSize)
  }

  /// Writes a message that every process has.
  ///
  /// - Throws: `RunError` when a log cannot be written; the failure of another process.
  func message(_ text: String) throws {
    try group.agree("a message") { try output.message(text) }
  }

  /// The trunks of an epoch: S (S K for Flow-GRPO) noises for each of `promptCount` prompts. A
  /// prompt is identified by its number in the epoch, because its text may occur twice.
  func trunks(promptCount: Int) -> [TrunkID] {
    (0..<promptCount).flatMap { prompt in
      (0..<recipe.sampling.trunksPerPrompt).map { TrunkID(prompt: prompt, seed: $0) }
    }
  }

  /// Reads the condition images of prompts, as the model and the rewards see them.
  var conditionImages: ConditionImages { ConditionImages(policy.imageSize) }

  /// The steps that `epoch` trains, ascending.
  func trainedSteps(epoch: Int) -> [Int] {
    plan.steps.steps(stepCount: plan.schedule.stepCount, run: recipe.seed, epoch: epoch)
  }

  /// The noise of `epoch`.
  func noise(epoch: Int) -> NoiseSource {
    NoiseSource(
      run: recipe.seed, epoch: epoch, shape: policy.latentShape, device: recipe.device,
      generatorDevice: recipe.sampling.noiseGenerator == .cpu ? .cpu : nil)
  }

  /// The metadata of the adapters after `state`, kept in every file that holds them.
  func loraRecord(_ state: TrainingState) -> LoRARecord {
    LoRARecord(
      baseModel: LoRARecord.modelName(folder: recipe.model), modelClass: policy.modelClass,
      recipe: output.recipeName,
      epoch: state.epoch, updates: state.updates, rewards: recipe.rewards.map(\.reward.name),
      imageSize: policy.imageSize,
      maxSequenceLength: recipe.maxSequenceLength, software: "TempFlow \(Version.current)")
  }

  /// The error of a failed check, with the last good checkpoint.
  ///
  /// - Parameters:
  ///   - epoch: from 1.
  ///   - update: from 1.
  /// - Throws: `RunError` when the checkpoints cannot be read.
  func invariant(epoch: Int, update: Int, reason: String) throws(RunError) -> TrainingError {
    .invariant(
      epoch: epoch, update: update, reason: reason, resumption: try output.resumption())
  }
}
