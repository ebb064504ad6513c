internal import DiffusionModels
internal import Foundations
internal import ProcessGroups
internal import Runs
internal import Torch
internal import TorchNN

/// The files of a checkpoint.
enum CheckpointFile {
  static let parameters = "model.safetensors"
  static let optimizer = "optimizer.safetensors"
  /// The averages; its header holds a `LoRARecord`.
  static let average = "ema.safetensors"
  /// The weights of the old policy, if the loss has one with weights of its own.
  static let old = "old.safetensors"
  static let state = "state.json"
}

/// Saves and restores what decides a run's future: the trainable parameters, the optimizer, the
/// averages, the old policy and the counters. All randomness is a function of the seed and these
/// counters.
@MainActor
final class Checkpointer {
  private typealias File = CheckpointFile
  private static let oldPrefix = "old"
  private let context: TrainingContext
  private let update: PolicyUpdate
  private let fingerprint: RunFingerprint
  /// What decides a run's last bits beside its recipe and its files.
  private let software: String
  /// Epochs completed and evaluations at the newest checkpoint; nil before the first.
  private var saved: (epochs: Int, evaluations: Int)?

  /// - Parameters:
  ///   - fingerprint: of the files that the run reads beside its recipe.
  ///   - software: see `software(on:)`.
  init(
    _ context: TrainingContext, _ update: PolicyUpdate, _ fingerprint: RunFingerprint,
    software: String
  ) {
    self.context = context
    self.update = update
    self.fingerprint = fingerprint
    self.software = software
  }

  /// What decides a run's last bits beside its recipe and its files: the program, libtorch, and the
  /// processor or GPU.
  static func software(on device: Device) throws -> String {
    let machine = Machine(
      device: TorchRuntime.name(of: device) ?? "\(device)", torch: TorchRuntime.version)
    return "TempFlow \(try ProcessGroup.program()), libtorch \(machine.torch), "
      + (device == .cpu ? machine.processor : machine.device)
  }

  /// Writes a checkpoint of the epochs completed, unless the newest is of them and has all
  /// evaluations. Of several processes the first writes it.
  ///
  /// - Throws: `RunError` when it cannot be written, `TrainingError.invariant` when a weight is
  ///   not finite or the processes' weights differ; the failure of another process. Earlier
  ///   checkpoints stay.
  func save(_ state: inout TrainingState) throws {
    if let saved, saved == (state.epoch, state.evaluations.count) { return }
    let stopwatch = PhaseStopwatch()
    try stopwatch.measure(.checkpoint) {
      try checkWeights(state)
      state.add(context.memory)
      try context.group.lead("the checkpoint") {
        try context.output.synchronize(&state)
        try write(state)
      }
    }
    saved = (state.epoch, state.evaluations.count)
    state.add(stopwatch.seconds)
    try context.group.agree("the timings") {
      try context.output.append(.checkpoint, .checkpointSeconds, stopwatch, epoch: state.epoch)
    }
  }

  private func write(_ state: TrainingState) throws {
    try context.output.checkpoints?.save(state.epoch) { folder in
      try write(context.policy.trainable, to: "\(folder)/\(File.parameters)")
      try write(update.optimizer.state, to: "\(folder)/\(File.optimizer)")
      try write(
        update.average.state, context.loraRecord(state).header, to: "\(folder)/\(File.average)")
      if let old = context.policy.old {
        try write(old.state(Self.oldPrefix), to: "\(folder)/\(File.old)")
      }
      var state = state
      (state.software, state.recipeName) = (software, context.output.recipeName)
      try state.write("\(folder)/\(File.state)")
    }
  }

  /// Restores the newest sound checkpoint, if the run has one, and opens the logs. Of several
  /// processes the first chooses it.
  ///
  /// - Returns: the state after the checkpoint's epoch; a new one without a checkpoint.
  /// - Throws: `RunError` when all checkpoints are damaged, `TrainingError.otherFiles` when
  ///   prompts or model have changed since, `ParameterError.state` or `TrainingError.state` when a
  ///   sound one does not fit the recipe; the failure of another process.
  func restore() throws -> TrainingState {
    let newest: Runs.Checkpoint? = try context.group.agree("finding a checkpoint") {
      try newestSound()
    }
    let number = try context.group.gather(newest?.number, "the checkpoint's number")[0]
    var manifest = "none"
    let state = try context.group.agree("restoring a checkpoint") {
      var state = TrainingState(fingerprint: fingerprint)
      if let number {
        // The process that has chosen it has verified it.
        let checkpoint =
          try newest ?? CheckpointStore.read(number, in: context.output.directory.checkpoints)
        state = try restore(checkpoint)
        manifest = try SHA256.digest(ofFile: checkpoint.manifest).digest
        try context.output.checkpoints?.putAside(newerThan: number)
      }
      try context.output.openLogs(at: state)
      return state
    }
    try context.group.checkEqual(
      JoinFacts([("the checkpoint", manifest)]), "comparing the checkpoints",
      remedy: "The run directory must be on a file system that all hosts share.")
    return state
  }

  /// The newest sound checkpoint; nil where another process chooses it.
  private func newestSound() throws -> Runs.Checkpoint? {
    guard let (checkpoint, damaged) = try context.output.checkpoints?.newest() else { return nil }
    for damage in damaged {
      try context.output.message("\(damage) Going on from the newest sound checkpoint instead.")
    }
    return checkpoint
  }

  private func restore(_ checkpoint: Runs.Checkpoint) throws -> TrainingState {
    var state = try TrainingState.read("\(checkpoint.path)/\(File.state)")
    try check(state.fingerprint, of: checkpoint.path)
    // That of an earlier version lacks parts.
    state.fingerprint = fingerprint
    try context.policy.restore(try tensors(checkpoint, File.parameters))
    try update.optimizer.restore(try tensors(checkpoint, File.optimizer))
    try update.average.restore(try tensors(checkpoint, File.average))
    try context.policy.old?.restore(Self.oldPrefix, from: try tensors(checkpoint, File.old))
    saved = (state.epoch, state.evaluations.count)
    try context.output.message("Resuming after epoch \(state.epoch) from \(checkpoint.path).")
    if let name = state.recipeName { context.output.recipeName = name }
    if let before = state.software, before != software {
      try context.output.message(
        "warning: the checkpoint was made by \(before), and this is \(software): from here on the "
          + "run may differ from an uninterrupted one in its last digits")
    }
    return state
  }

  /// Checks that prompts and model are those that the checkpoint was trained with.
  private func check(_ saved: RunFingerprint, of checkpoint: String) throws {
    guard
      let changes = fingerprint.changes(
        since: saved, context.recipe, moved: context.output.movedNetworks)
    else { return }
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

  /// A checkpoint whose weights are not finite would be restored as the newest sound one, and
  /// processes whose weights differ no longer train one model.
  ///
  /// - Throws: `TrainingError.invariant`; the failure of another process.
  func checkWeights(_ state: TrainingState) throws {
    try context.group.agree("checking the weights") {
      if let name = firstNonFinite(context.policy.trainable) {
        throw try unsound(state, "the weight \(name) is not finite")
      }
    }
    guard context.group.size > 1, !context.policy.trainable.isEmpty else { return }
    let norms = withoutGradient {
      Tensor.stack(TensorList.norms(context.policy.trainable.map(\.tensor)), dim: 0).floats()
    }
    let all = try context.group.gather(norms, "the weights' norms")
    for start in stride(from: 0, to: all.count, by: norms.count) {
      guard Array(all[start..<start + norms.count]) == Array(all.prefix(norms.count)) else {
        let rank = start / norms.count
        let places = [rank, 0].map { "rank \($0) (\(context.group.place(of: $0)))" }
        throw try unsound(
          state,
          "the weights of \(places[0]) differ from those of \(places[1]): use hosts whose "
            + "processors and GPUs are of one model, which round alike")
      }
    }
  }

  private func unsound(_ state: TrainingState, _ reason: String) throws -> TrainingError {
    try context.invariant(
      epoch: state.epoch, update: context.recipe.optimizer.updatesPerEpoch, reason: reason)
  }
}
