internal import Foundation
internal import Foundations
internal import Runs

/// Everything beside tensors that decides a run's future or its summary: `state.json`.
struct TrainingState: Codable {
  /// Epochs completed.
  var epoch = 0
  /// Optimizer updates made.
  var updates = 0
  /// Seconds of epochs, without evaluations and checkpoints, over all parts of the run.
  var trainingSeconds = 0.0
  /// Seconds by `Phase.summaryName`, over all parts of the run.
  var phaseSeconds: [String: Double] = [:]
  /// Most bytes in use by phase, over all parts of the run.
  var peakMemory: [String: Int] = [:]
  /// In order; the first is of the model before training.
  var evaluations: [RunSummary.Evaluation] = []
  /// What the evaluations measure, such as `shapes_strict`.
  var scoreName = ""
  /// The factor of the gradients; nil where the network is not float16.
  var lossScale: LossScale?
  /// Consecutive epochs without an advantage up to the last one; nil is 0.
  var degenerateEpochs: Int?
  /// The program, libtorch and the processor or GPU that made the checkpoint; nil in those of
  /// earlier versions.
  var software: String?
  /// `RunOutput.recipeName`; nil in checkpoints of earlier versions.
  var recipeName: String?
  /// Of the files that the run reads beside its recipe.
  var fingerprint: RunFingerprint
  /// Bytes of `metrics.jsonl` when this was saved.
  var metricsBytes = 0
  /// Bytes of `timings.jsonl` when this was saved.
  var timingsBytes = 0

  /// The state before the first epoch.
  init(fingerprint: RunFingerprint) { self.fingerprint = fingerprint }

  private enum CodingKeys: String, CodingKey {
    case epoch, updates, evaluations, software, fingerprint
    case recipeName = "recipe_name"
    case trainingSeconds = "total_seconds"
    case phaseSeconds = "phase_seconds"
    case peakMemory = "peak_memory"
    case scoreName = "score_name"
    case lossScale = "loss_scale"
    case degenerateEpochs = "degenerate_epochs"
    case metricsBytes = "metrics_bytes"
    case timingsBytes = "timings_bytes"
  }
}

extension TrainingState {
  /// The best held-out score so far.
  var bestScore: Double? { evaluations.compactMap(\.scores.overall.mean).max() }

  /// The share of a run that has passed, by epochs or by the time limit, whichever is more; 0...1.
  /// The same in all processes.
  func progress(of recipe: TrainingRecipe) -> Double {
    let seconds = recipe.timeLimit.map { trainingSeconds / $0 } ?? 0
    return min(1, max(Double(epoch) / Double(recipe.epochs), seconds))
  }

  /// Whether the last evaluation is of the present weights.
  var isEvaluated: Bool { evaluations.last?.epoch == epoch }

  mutating func add(_ seconds: [Phase: Double]) {
    for (phase, seconds) in seconds {
      guard let name = phase.summaryName else { continue }
      phaseSeconds[name, default: 0] += seconds
    }
  }

  mutating func add(_ memory: MemoryMeter) {
    for (phase, bytes) in memory.peaks {
      peakMemory[phase.rawValue] = max(peakMemory[phase.rawValue] ?? 0, bytes)
    }
  }

  mutating func add(_ evaluation: HeldOutEvaluation) {
    scoreName = evaluation.scoreName
    let heldOut = Dictionary(evaluation.heldOut, uniquingKeysWith: { $1 })
    evaluations.append(
      .init(
        epoch: epoch, trainingSeconds: trainingSeconds, scores: evaluation.scores,
        trainingReward: evaluation.trainingReward, heldOutRewards: heldOut.isEmpty ? nil : heldOut))
  }

  /// Counts an epoch.
  ///
  /// - Parameter seconds: of the whole epoch.
  mutating func complete(_ stopwatch: PhaseStopwatch, seconds: Double) {
    epoch += 1
    trainingSeconds += seconds
    add(stopwatch.seconds)
  }

  /// Consecutive epochs without an advantage after which a run stops: their updates follow no
  /// reward.
  private static let degenerateLimit = 5

  /// Counts consecutive epochs without an advantage.
  ///
  /// - Returns: why the run has to stop; nil when it goes on. A resumed run counts from 0.
  mutating func countDegenerateEpochs(_ report: EpochReport) -> String? {
    guard report.degenerateCause != nil else {
      degenerateEpochs = nil
      return nil
    }
    let count = (degenerateEpochs ?? 0) + 1
    degenerateEpochs = count < Self.degenerateLimit ? count : nil
    return count < Self.degenerateLimit
      ? nil : "\(count) consecutive epochs in which no image had an advantage"
  }
}

extension TrainingState {
  /// Reads `state.json` of a checkpoint.
  ///
  /// - Throws: `TrainingError.state`, or a file error.
  static func read(_ path: String) throws -> TrainingState {
    do {
      return try JSONDecoder().decode(
        TrainingState.self, from: Data(try AtomicFile.read(path)))
    } catch let error as DecodingError {
      throw TrainingError.state(path: path, reason: "it is not a training state: \(error)")
    }
  }

  /// Writes `state.json`; the same state gives the same bytes.
  ///
  /// - Throws: a file error.
  func write(_ path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    try AtomicFile.write(try encoder.encode(self), to: path)
  }
}
