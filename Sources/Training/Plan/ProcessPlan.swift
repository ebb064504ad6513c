internal import DiffusionModels
internal import TempFlow
internal import Torch

/// The work of a run's processes, computed before anything is loaded.
package struct ProcessPlan: Encodable, Sendable, Equatable {
  /// N, the processes of the run.
  package var count: Int
  /// The machines they run on, with equally many each.
  package var hosts: Int
  /// The device of each process, `cpu` or `cuda:LOCAL_RANK`.
  package var device: String
  /// Columns of an epoch's rollout; see `RolloutPlan.columns`.
  package var columns: Int
  /// Ranks that train no sample of an update.
  package var idleRanks: Int
  /// Samples of a pass at most; on a GPU, where passes are padded to one size, that size.
  package var microBatch: Int
  /// Trunks that more than one rank walks.
  package var splitTrunks: Int
  /// NFE of the first epoch beyond those of one process, for the trunks walked twice.
  package var addedEvaluations: Int
  /// The work of each rank in the first epoch.
  package var ranks: [RankWork]
  package var sent: SentBytes
  /// Floating-point operations of the transformer for one row without and with gradients.
  package var flopsPerEvaluation, flopsPerTrainingSample: Double
  /// Floating-point operations of the whole run on the slowest rank of every phase: the others
  /// wait for it at the end of a rollout, of an update and of an evaluation.
  package var slowestFlops: Double
  /// The transformer's operations of one process over N times `slowestFlops`, in 0...1.
  package var efficiency: Double
  /// The same of the first epoch's rollout and of its updates alone.
  package var rolloutEfficiency, learningEfficiency: Double
  /// Bytes of one host that its processes need together: on the CPU their peaks, on a GPU the
  /// pinned memory of blocks.
  package var bytesPerHost: Int
  /// What is allowed and wasteful, in words; empty otherwise.
  package var warnings: [String]

  private enum CodingKeys: String, CodingKey {
    case count, hosts, device, columns, ranks, efficiency, warnings
    case idleRanks = "idle_ranks"
    case microBatch = "micro_batch"
    case splitTrunks = "split_trunks"
    case addedEvaluations = "added_nfe"
    case sent = "sent_bytes"
    case flopsPerEvaluation = "flops_per_evaluation"
    case flopsPerTrainingSample = "flops_per_training_sample"
    case slowestFlops = "slowest_flops"
    case rolloutEfficiency = "rollout_efficiency"
    case learningEfficiency = "learning_efficiency"
    case bytesPerHost = "bytes_per_host"
  }

  /// Processes of one host.
  package var perHost: Int { count / hosts }
}

extension ProcessPlan {
  /// Divides a run's work among `count` processes on `hosts` machines.
  ///
  /// - Parameters:
  ///   - plan: of the run, with the memory of one process.
  ///   - encodedPrompts: prompts that the run encodes.
  init(
    _ recipe: TrainingRecipe, _ model: FlowModelMetadata, _ plan: TrainingPlan,
    encodedPrompts: Int, count: Int, hosts: Int
  ) {
    let division = WorkDivision(recipe, ranks: count)
    let steps = Self.steps(of: recipe, epoch: 0)
    let ranks = (0..<count).map { rank in
      RankWork(
        recipe, division, rank: rank, steps: steps,
        prompts: (plan.evaluationPrompts, encodedPrompts))
    }
    let slowest = SlowestRank(recipe, ranks)
    self.ranks = ranks
    self.count = count
    self.hosts = hosts
    device = recipe.device == .cpu ? "cpu" : "cuda:LOCAL_RANK"
    columns = division.columns
    idleRanks = division.idleRanks
    microBatch = recipe.device == .cpu ? division.microBatch : division.samplesPerPass
    splitTrunks = division.splitTrunks
    addedEvaluations =
      ranks.reduce(0) { $0 + $1.rolloutEvaluations } - plan.firstEpoch.rolloutEvaluations
    sent = SentBytes(recipe, model, division, work: ranks, images: plan.firstEpoch.decodes)
    flopsPerEvaluation = model.work.forward
    flopsPerTrainingSample = recipe.trainingFlops(model.work)
    slowestFlops =
      model.work.forward * Double(slowest.evaluations(epochs: recipe.epochs))
      + flopsPerTrainingSample * Double(slowest.learned * recipe.epochs)
    efficiency = plan.transformerFlops / (Double(count) * slowestFlops)
    rolloutEfficiency = Self.efficiency(
      of: plan.firstEpoch.rolloutEvaluations, count, slowest.rollout(epoch: 0))
    learningEfficiency = Self.efficiency(
      of: plan.firstEpoch.learningEvaluations, count, slowest.learned)
    bytesPerHost =
      count / hosts * (recipe.device == .cpu ? plan.memory.peak.bytes : plan.memory.hostBytes)
    warnings = recipe.unevenness(processes: count).map { [$0] } ?? []
  }

  private static func efficiency(of work: Int, _ count: Int, _ slowest: Int) -> Double {
    Double(work) / Double(count * slowest)
  }

  fileprivate static func steps(of recipe: TrainingRecipe, epoch: Int) -> [Int] {
    recipe.sampling.trainedSteps.steps(
      stepCount: recipe.sampling.steps, run: recipe.seed, epoch: epoch)
  }
}

/// Rows of network calls on the slowest rank of each phase, including guidance.
private struct SlowestRank {
  private let recipe: TrainingRecipe
  private let evaluationPrompts: Int
  private let trainingSamples: Int
  /// The different amounts of a rollout's work.
  private let shares: Set<Share>

  private struct Share: Hashable {
    let trunks, columns, finishedTrunks: Int
  }

  init(_ recipe: TrainingRecipe, _ ranks: [RankWork]) {
    self.recipe = recipe
    evaluationPrompts = ranks.map(\.evaluationPrompts).max() ?? 0
    trainingSamples = ranks.map(\.trainingSamples).max() ?? 0
    shares = Set(
      ranks.map {
        Share(trunks: $0.trunks, columns: $0.columns, finishedTrunks: $0.finishedTrunks)
      })
  }

  /// Rows with gradients of an epoch's updates.
  var learned: Int {
    recipe.optimizer.updatesPerEpoch * trainingSamples * recipe.guidance.rowsPerSample
  }

  /// Rows without gradients of the whole run.
  func evaluations(epochs: Int) -> Int {
    let evaluations =
      recipe.evaluationEpochs.count * evaluationPrompts * recipe.evaluation.steps
      * recipe.evaluationGuidance.rowsPerSample
    return (0..<epochs).reduce(evaluations) {
      $0 + rollout(epoch: $1) + referenceEvaluations(epoch: $1)
    }
  }

  /// Rows of an epoch's rollout.
  func rollout(epoch: Int) -> Int {
    let steps = ProcessPlan.steps(of: recipe, epoch: epoch)
    let rows = shares.map { share in
      (0..<recipe.sampling.steps).reduce(0) {
        $0
          + recipe.sampling.rolloutMethod.rows(
            trunks: share.trunks, columns: share.columns, finishedTrunks: share.finishedTrunks,
            at: $1, steps: steps)
      }
    }
    return (rows.max() ?? 0) * recipe.guidance.rowsPerSample
  }

  /// Rows of a reference network, of an old policy or of recomputed log-probabilities.
  private func referenceEvaluations(epoch: Int) -> Int {
    let updates = recipe.optimizer.updatesPerEpoch
    let recomputed = recipe.loss.evaluatedOldUpdates(of: updates, epoch: epoch)
    let reference = recipe.loss.objective.klBeta > 0 ? updates : 0
    return (recomputed + reference) * trainingSamples * recipe.guidance.rowsPerSample
  }
}
