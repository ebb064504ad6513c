internal import Foundation
package import Runs
internal import Torch

/// Everything beside tensors that decides a run's future or its summary: `state.json`.
struct TrainingState: Codable {
  /// Epochs completed.
  var epoch = 0
  /// Optimizer updates made.
  var updates = 0
  /// Seconds of epochs, without evaluations and checkpoints, over all parts of the run.
  var trainingSeconds = 0.0
  /// Seconds per phase, over all parts of the run.
  var phaseSeconds: [String: Double] = [:]
  /// Most bytes in use per phase, over all parts of the run.
  var peakMemory: [String: Int] = [:]
  /// In order; the first is the model before training.
  var evaluations: [RunSummary.Evaluation] = []
  /// What the evaluations measure, such as `shapes_strict`.
  var scoreName = ""
  /// The largest mean training reward of an epoch.
  var bestReward: Double?
  /// What gradients are multiplied by; nil where the network is not float16.
  var lossScale: LossScale?
  /// Epochs without a single advantage up to the last one; nil is 0.
  var degenerateEpochs: Int?
  /// What the run read beside its recipe; nil in a checkpoint of a version that kept none.
  var fingerprint: RunFingerprint?
  /// Bytes of `metrics.jsonl` when this was saved.
  var metricsBytes = 0
  /// Bytes of `timings.jsonl` when this was saved.
  var timingsBytes = 0

  /// The best held-out score so far.
  var bestScore: Double? { evaluations.compactMap(\.scores.overall.mean).max() }

  /// Whether the last evaluation is of the model as it is.
  var isEvaluated: Bool { evaluations.last?.epoch == epoch }

  mutating func add(_ phases: PhaseSeconds) {
    for (name, seconds) in phases.seconds { phaseSeconds[name, default: 0] += seconds }
  }

  mutating func add(_ memory: MemoryMeter) { peakMemory.merge(memory.peaks, uniquingKeysWith: max) }

  /// Reads `state.json` of a checkpoint.
  static func read(_ path: String) throws -> TrainingState {
    do {
      return try JSONDecoder().decode(
        TrainingState.self, from: Data(try AtomicFile.read(path)))
    } catch let error as DecodingError {
      throw TrainingError.state(path: path, reason: "it is not a training state: \(error)")
    }
  }

  /// Writes `state.json`; the same state gives the same bytes.
  func write(_ path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    try AtomicFile.write(try encoder.encode(self), to: path)
  }
}

/// Seconds per named phase of an epoch, as its device spends them.
struct PhaseSeconds {
  private let device: Device
  private var known: [String: Double] = [:]
  /// Phases that the device may still be busy with.
  private var spans: [(phase: String, start: DeviceEvent, end: DeviceEvent)] = []

  init(_ device: Device = .cpu) { self.device = device }

  /// Runs `body` and adds its time to `phase`.
  mutating func measure<Result>(
    _ phase: String, _ body: () throws -> Result
  ) rethrows -> Result {
    let start = DeviceEvent(device)
    defer { spans.append((phase, start, DeviceEvent(device))) }
    return try body()
  }

  /// Adds seconds to `phase`.
  mutating func add(_ phase: String, _ amount: Double) {
    known[phase, default: 0] += amount
  }

  /// Everything so far; waits for the device.
  var seconds: [String: Double] {
    spans.reduce(into: known) { $0[$1.phase, default: 0] += $1.end.seconds(since: $1.start) }
  }

  subscript(_ phase: String) -> Double { seconds[phase, default: 0] }
}
