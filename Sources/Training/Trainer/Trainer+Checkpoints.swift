internal import DiffusionPipelines
internal import JSON
internal import Rewards
internal import Runs
internal import Torch
internal import TorchNN

// What decides a run's future: the learning parameters, the optimizer, the average and the
// counters. All randomness is a function of the seed and these counters.

extension Trainer {
  private typealias File = CheckpointFile

  /// Writes a checkpoint of the epochs completed.
  ///
  /// - Throws: `RunError` when it cannot be written, `TrainingError.invariant` when a weight is
  ///   not finite; earlier checkpoints stay.
  func save() throws {
    let start = ContinuousClock.now
    try checkWeights()
    state.add(memory)
    try output.synchronize(&state)
    try output.checkpoints.save(state.epoch) { folder in
      try write(policy.trainable, to: "\(folder)/\(File.parameters)")
      try write(optimizer.state, to: "\(folder)/\(File.optimizer)")
      try write(average.state, loraRecord.header, to: "\(folder)/\(File.average)")
      try state.write("\(folder)/\(File.state)")
    }
    savedEpoch = state.epoch
    let seconds = start.duration(to: .now) / .seconds(1)
    var phases = PhaseSeconds()
    phases.add("checkpoint", seconds)
    state.add(phases)
    try output.append(timing: [
      .init(.checkpoint), .init(.epoch, .int(state.epoch)),
      .init(.checkpointSeconds, .double(seconds)),
    ])
  }

  /// Goes on from the newest sound checkpoint, if the run has one, and opens the logs.
  ///
  /// - Throws: `RunError` when all checkpoints are damaged, `TrainingError.otherFiles` when prompts
  ///   or model have changed since, `ParameterError.state` or
  ///   `TrainingError.state` when a sound one does not fit the recipe.
  func restore() throws {
    let (checkpoint, damaged) = try output.checkpoints.newest()
    for damage in damaged {
      try output.say("\(damage) Going on from the newest sound checkpoint instead.")
    }
    if let checkpoint {
      state = try TrainingState.read("\(checkpoint.path)/\(File.state)")
      try checkFingerprint(of: checkpoint.path)
      try policy.restore(try tensors(checkpoint, File.parameters))
      try optimizer.restore(try tensors(checkpoint, File.optimizer))
      try average.restore(try tensors(checkpoint, File.average))
      savedEpoch = state.epoch
      try output.say("Resuming after epoch \(state.epoch) from \(checkpoint.path).")
    }
    state.fingerprint = fingerprint
    try output.openLogs(at: state)
  }

  /// Makes sure that prompts and model are those that the checkpoint was trained with. A checkpoint
  /// without a fingerprint is taken with a warning: nothing is known against it, and it may hold
  /// days of training.
  private func checkFingerprint(of checkpoint: String) throws {
    guard let earlier = state.fingerprint else {
      try output.say(
        "warning: \(checkpoint) does not say which prompts and model it was trained with, so "
          + "changes since cannot be seen")
      return
    }
    guard let changes = fingerprint.changes(since: earlier, recipe) else { return }
    throw TrainingError.otherFiles(path: checkpoint, changes: changes)
  }

  /// What is known of the adapters as they are now, kept wherever they are saved.
  var loraRecord: LoRARecord {
    LoRARecord(
      baseModel: LoRARecord.modelName(folder: recipe.model), recipe: output.recipeName,
      epoch: state.epoch, updates: state.updates, rewards: recipe.rewards.map(\.reward.name),
      software: "TempFlow \(Version.current)")
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

  /// A weight that is not finite must never become the newest sound checkpoint.
  private func checkWeights() throws {
    guard let name = firstNonFinite(policy.trainable) else { return }
    throw TrainingError.invariant(
      epoch: state.epoch, update: recipe.optimizer.updatesPerEpoch,
      reason: "the weight \(name) is not finite",
      lastGood: try output.checkpoints.newest().checkpoint?.path)
  }
}

/// The files of a checkpoint.
enum CheckpointFile {
  static let parameters = "model.safetensors"
  static let optimizer = "optimizer.safetensors"
  /// The averages; its header holds a `LoRARecord`.
  static let average = "ema.safetensors"
  static let state = "state.json"
}
