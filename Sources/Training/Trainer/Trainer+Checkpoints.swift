internal import Runs
internal import Torch
internal import TorchNN

// What decides a run's future: the learning parameters, the optimizer, the average and the
// counters. All randomness is a function of the seed and these counters.

extension Trainer {
  private enum File {
    static let parameters = "learned.safetensors"
    static let optimizer = "optimizer.safetensors"
    static let average = "average.safetensors"
    static let state = "state.json"
  }

  /// Writes a checkpoint of the epochs completed.
  ///
  /// - Throws: `RunError` when it cannot be written, `TrainingError.invariant` when a weight is
  ///   not finite; earlier checkpoints stay.
  func save() throws {
    let start = ContinuousClock.now
    try checkWeights()
    try output.synchronize(&state)
    try output.checkpoints.save(state.epoch) { folder in
      try Safetensors.write(policy.trainable.map { ($0.name, $0.tensor) }, to: "\(folder)/\(File.parameters)")
      try Safetensors.write(optimizer.state.map { ($0.name, $0.tensor) }, to: "\(folder)/\(File.optimizer)")
      try Safetensors.write(average.state.map { ($0.name, $0.tensor) }, to: "\(folder)/\(File.average)")
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
  /// - Throws: `RunError` when all checkpoints are damaged, `ParameterError.state` or
  ///   `TrainingError.state` when a sound one does not fit the recipe.
  func restore() throws {
    let (checkpoint, damaged) = try output.checkpoints.newest()
    for damage in damaged {
      try output.say("\(damage) Going on from the newest sound checkpoint instead.")
    }
    if let checkpoint {
      state = try TrainingState.read("\(checkpoint.path)/\(File.state)")
      try load("\(checkpoint.path)/\(File.parameters)")
      try optimizer.restore(try SafetensorsFile(path: "\(checkpoint.path)/\(File.optimizer)").tensors)
      try average.restore(try SafetensorsFile(path: "\(checkpoint.path)/\(File.average)").tensors)
      savedEpoch = state.epoch
      try output.say("Resuming after epoch \(state.epoch) from \(checkpoint.path).")
    }
    try output.openLogs(at: state)
  }

  private func load(_ path: String) throws {
    let saved = try SafetensorsFile(path: path).tensors
    for (name, tensor) in policy.trainable {
      guard let found = saved[name] else {
        throw ParameterError.state(key: name, problem: "it is missing")
      }
      guard found.shape == tensor.shape, found.dtype == tensor.dtype else {
        throw ParameterError.state(
          key: name, problem: "found \(found.dtype) \(found.shape), need \(tensor.shape)")
      }
    }
    withoutGradient {
      for (name, tensor) in policy.trainable {
        guard let found = saved[name] else { continue }
        tensor.copy_(found)
      }
    }
  }

  /// A weight that is not finite must never become the newest sound checkpoint.
  private func checkWeights() throws {
    for (name, tensor) in policy.trainable where !withoutGradient({ tensor.isFinite().all().item() == 1 }) {
      throw TrainingError.invariant(
        epoch: state.epoch, update: recipe.optimizer.updatesPerEpoch,
        reason: "the weight \(name) is not finite",
        lastGood: try output.checkpoints.newest().checkpoint?.path)
    }
  }
}
