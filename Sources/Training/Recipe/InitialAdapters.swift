internal import DiffusionModels
internal import Foundation
internal import TorchNN

extension TrainingRecipe {
  /// Reads the adapters of `lora.init_from`; nil if training begins from new ones.
  ///
  /// - Throws: `TrainingError.model` for unreadable adapters or those of another model, and
  ///   `.arithmetic` for a rank, alpha or layers other than the recipe's.
  func initialAdapters() throws(TrainingError) -> LoRA? {
    guard let path = learning.initFrom, let config = learning.adapters else { return nil }
    do throws(TrainingError) {
      try LearnedAdapters.refuseRunDirectory(path)
    } catch {
      throw .model("lora.init_from: \(error.description)")
    }
    let lora: LoRA
    let layers: LinearLayers
    do throws(PipelineError) {
      lora = try LoRA(path: path)
      layers = try FlowModelRegistry.family(of: model).linearLayers(of: model)
      try lora.check(against: layers)
    } catch {
      throw .model("lora.init_from: \(error.description)")
    }
    guard lora.config.rank == config.rank else {
      throw .arithmetic(
        "lora.init_from: \(path) has rank \(lora.config.rank), lora.rank is \(config.rank); "
          + "set lora.rank=\(lora.config.rank)")
    }
    // The tolerance covers kohya's files, which hold alpha in single precision.
    guard abs(lora.config.alpha - config.alpha) <= 1e-6 * config.alpha else {
      throw .arithmetic(
        "lora.init_from: \(path) has alpha \(lora.config.alpha), lora.alpha is \(config.alpha); "
          + "set lora.alpha=\(lora.config.alpha)")
    }
    try checkLayers(lora, named: layers.paths.filter(config.adapts))
    return lora
  }

  private func checkLayers(_ lora: LoRA, named layers: [String]) throws(TrainingError) {
    let held = Set(lora.paths)
    if let missing = layers.first(where: { !held.contains($0) }) {
      throw .arithmetic(
        "lora.init_from: \(lora.origin) has no adapter for '\(missing)', which lora.targets names; "
          + "set lora.targets to the layers it has")
    }
    if let further = lora.paths.first(where: { !layers.contains($0) }) {
      throw .arithmetic(
        "lora.init_from: \(lora.origin) adapts '\(further)', which lora.targets does not name; "
          + "set lora.targets to the layers it has")
    }
  }
}
