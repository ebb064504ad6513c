internal import DiffusionModels
internal import Runs
internal import Torch

extension OutOfMemory.Advice {
  /// What a run prints when memory runs out in `phase`: the micro-batch of the phase, the settings
  /// that lower its need, and the checkpoint to resume from.
  ///
  /// - Parameters:
  ///   - settings: those that lower the phase, largest savings first.
  ///   - checkpoints: of the run; nil where another process writes them.
  ///   - folder: that of the checkpoints.
  init(
    phase: Phase, _ recipe: TrainingRecipe, decodeMicroBatch: Int, settings: [String],
    _ checkpoints: CheckpointStore?, in folder: String
  ) {
    let batch: String? =
      switch phase {
      case .rollout, .evaluation: "sampling.micro_batch: \(recipe.sampling.microBatch)"
      case .decode: "sampling.decode_micro_batch: \(decodeMicroBatch)"
      case .learning: "optimizer.micro_batch: \(recipe.optimizer.microBatch)"
      default: nil
      }
    let lower =
      settings.isEmpty
      ? "No setting lowers this phase: it takes a device with more memory."
      : "Lower the need by \(settings.joined(separator: ", ")); "
        + "`tempflow plan` prints what each saves."
    self.init(
      place: "on \(recipe.device) in the phase \(phase)" + (batch.map { " (\($0))" } ?? ""),
      remedy: "\(lower) \(Self.resumption(checkpoints, folder, settings))")
  }

  /// The checkpoint, and which of `settings` may be changed when the run goes on from it.
  private static func resumption(
    _ checkpoints: CheckpointStore?, _ folder: String, _ settings: [String]
  ) -> String {
    let accepted = settings.filter(RunOutput.acceptsOnResume)
    let limit =
      accepted.count == settings.count
      ? ""
      : accepted.isEmpty
        ? ", though not with these settings, which need a new run"
        : ", and accepts of these only \(accepted.joined(separator: ", "))"
    guard let checkpoints else {
      return "--resume goes on from the last checkpoint in \(folder)\(limit)."
    }
    do {
      return try checkpoints.newest().checkpoint.map {
        "The last checkpoint is \($0.path); --resume goes on from it\(limit)."
      } ?? "There is no checkpoint yet."
    } catch {
      return "The checkpoints cannot be read: \(error)."
    }
  }
}
