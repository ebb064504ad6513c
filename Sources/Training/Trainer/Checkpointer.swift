internal import DiffusionModels
internal import Foundations
internal import Runs
internal import Torch
internal import TorchNN

/// The files of a checkpoint.
enum CheckpointFile {
  static let parameters = "model.safetensors"
  static let optimizer = "optimizer.safetensors"
  /// The averages; its header holds a `LoRARecord`.
  static let average = "ema.safetensors"
  static let state = "state.json"
}

/// Saves and restores what decides a run's future: the trainable parameters, the optimizer, the
/// averages and the counters. All randomness is a function of the seed and these counters.
@MainActor
final class Checkpointer {
  private typealias File = CheckpointFile
  private let context: TrainingContext
  private let update: PolicyUpdate
  private let fingerprint: RunFingerprint
  /// Epochs completed at the newest checkpoint; nil before the first.
  private(set) var savedEpoch: Int?

  /// - Parameter fingerprint: of the files that the run reads beside its recipe.
  init(_ context: TrainingContext, _ update: PolicyUpdate, _ fingerprint: RunFingerprint) {
    self.context = context
    self.update = update
    self.fingerprint = fingerprint
  }

  /// Writes a checkpoint of the epochs completed, unless it is the newest already.
  ///
  /// - Throws: `RunError` when it cannot be written, `TrainingError.invariant` when a weight is
  ///   not finite; earlier checkpoints stay.
  func save(_ state: inout TrainingState) throws {
    guard savedEpoch != state.epoch else { return }
    let stopwatch = PhaseStopwatch()
    try stopwatch.measure(.checkpoint) {
      try checkWeights(state)
      state.add(context.memory)
      try context.output.synchronize(&state)
      try write(state)
    }
    savedEpoch = state.epoch
    state.add(stopwatch.seconds)
    try context.output.append(.checkpoint, .checkpointSeconds, stopwatch, epoch: state.epoch)
  }

  private func write(_ state: TrainingState) throws {
    try context.output.checkpoints.save(state.epoch) { folder in
      try write(context.policy.trainable, to: "\(folder)/\(File.parameters)")
      try write(update.optimizer.state, to: "\(folder)/\(File.optimizer)")
      try write(
        update.average.state, context.loraRecord(state).header, to: "\(folder)/\(File.average)")
      try state.write("\(folder)/\(File.state)")
    }
  }

  /// Restores the newest sound checkpoint, if the run has one, and opens the logs.
  ///
  /// - Returns: the state after the checkpoint's epoch; a new one without a checkpoint.
  /// - Throws: `RunError` when all checkpoints are damaged, `TrainingError.otherFiles` when prompts
  ///   or model have changed since, `ParameterError.state` or `TrainingError.state` when a sound
  ///   one does not fit the recipe.
  func restore() throws -> TrainingState {
    let output = context.output
    let (checkpoint, damaged) = try output.checkpoints.newest()
    for damage in damaged {
      try output.message("\(damage) Going on from the newest sound checkpoint instead.")
    }
    var state = TrainingState(fingerprint: fingerprint)
    if let checkpoint {
      state = try TrainingState.read("\(checkpoint.path)/\(File.state)")
      try check(state.fingerprint, of: checkpoint.path)
      try context.policy.restore(try tensors(checkpoint, File.parameters))
      try update.optimizer.restore(try tensors(checkpoint, File.optimizer))
      try update.average.restore(try tensors(checkpoint, File.average))
      savedEpoch = state.epoch
      try output.message("Resuming after epoch \(state.epoch) from \(checkpoint.path).")
    }
    try output.openLogs(at: state)
    return state
  }

  /// Checks that prompts and model are those that the checkpoint was trained with.
  private func check(_ saved: RunFingerprint, of checkpoint: String) throws {
    guard let changes = fingerprint.changes(since: saved, context.recipe) else { return }
    throw TrainingError.otherFiles(path: checkpoint, changes: changes)
  }

  private func write(
    _ tensors: [ParameterStore.Named], _ metadata: [String: String] = [:], to path: String
  ) throws {
    try Safetensors.write(
      tensors.map { ($0.name, $0.tensor.detached()) }, metadata: metadata, to: path)
  }

  private func tensors(_ checkpoint: Runs.Checkpoint, _ file: String) throws -> [String: Tensor] {
    try SafetensorsFile(path: "\(checkpoint.path)/\(file)").tensors
  }

  /// A checkpoint whose weights are not finite would be restored as the newest sound one.
  private func checkWeights(_ state: TrainingState) throws {
    guard let name = firstNonFinite(context.policy.trainable) else { return }
    throw try context.invariant(
      epoch: state.epoch, update: context.recipe.optimizer.updatesPerEpoch,
      reason: "the weight \(name) is not finite")
  }
}
