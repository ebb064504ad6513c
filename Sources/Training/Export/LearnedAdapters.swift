package import DiffusionModels
internal import Foundation
internal import Recipes
internal import Runs
internal import Torch
internal import TorchNN

/// Adapters to export: those of a run, or those of a LoRA file.
package struct LearnedAdapters {
  package let lora: LoRA
  /// The model folder in the run's recipe; nil for a LoRA file.
  package let model: String?

  /// Reads adapters.
  ///
  /// - Parameters:
  ///   - path: a run directory, or a path that `LoRA` reads.
  ///   - checkpoint: the epoch of a run whose averaged weights are exported; nil exports the
  ///     result.
  /// - Throws: `RecipeError`, `RunError`, `PipelineError` or `TrainingError.state`.
  package init(_ path: String, checkpoint: Int? = nil) throws {
    guard FileManager.default.fileExists(atPath: "\(path)/recipe.yaml") else {
      if checkpoint != nil {
        throw TrainingError.state(
          path: path, reason: "it is not a run directory, so it has no checkpoints")
      }
      lora = try LoRA(path: path)
      model = nil
      return
    }
    try RunDirectory.checkReadable(path)
    let recipe = try TrainingRecipe.read(path: "\(path)/recipe.yaml").settings
    model = recipe.model
    guard let config = recipe.learning.adapters else {
      throw TrainingError.state(
        path: path,
        reason: "the run trained every weight, so it has no adapters; its result is \(path)/model")
    }
    if let checkpoint {
      lora = try Self.average(of: checkpoint, in: path, config: config)
    } else if FileManager.default.fileExists(atPath: "\(path)/adapters/adapter_config.json") {
      lora = try LoRA(path: "\(path)/adapters")
    } else {
      throw TrainingError.state(
        path: path,
        reason: "the run has not ended, so it has no result yet; name one of its checkpoints"
          + Self.earlier(in: path))
    }
  }

  /// The result of a run's last end, if the run has gone on since, for a message.
  private static func earlier(in run: String) -> String {
    let ended = "\(run)/ended"
    let files = FileManager.default
    let last = files.subpaths(atPath: ended)?.filter { $0.hasSuffix("/adapters") }.max()
    return last.map { ", or the result of an earlier end, \(ended)/\($0)" } ?? ""
  }

  /// Throws `TrainingError.state` for a run directory where the adapters themselves are expected.
  package static func refuseRunDirectory(_ path: String) throws(TrainingError) {
    let files = FileManager.default
    guard files.fileExists(atPath: "\(path)/recipe.yaml") else { return }
    let remedy =
      files.fileExists(atPath: "\(path)/adapters/adapter_config.json")
      ? "name its adapters, \(path)/adapters"
      : "it has no adapters: it has not ended, or it trained every weight"
    throw .state(path: path, reason: "it is a run directory; \(remedy)")
  }

  /// The averaged weights of a checkpoint.
  private static func average(
    of number: Int, in run: String, config: LoRAConfig
  ) throws -> LoRA {
    let checkpoint = try CheckpointStore.read(number, in: "\(run)/checkpoints")
    let file = try SafetensorsFile(path: "\(checkpoint.path)/\(CheckpointFile.average)")
    let prefix = "average."
    var tensors: [String: Tensor] = [:]
    for key in file.keys where key.hasPrefix(prefix) {
      tensors[String(key.dropFirst(prefix.count))] = try file.tensor(key)
    }
    return LoRA(
      tensors, config: config, record: LoRARecord(header: file.metadata), origin: checkpoint.path)
  }
}
