import Foundation
import Synchronization

/// The families of models, by the class in `model_index.json`.
public enum FlowModelRegistry {
  private static let families = Mutex<[any FlowModel.Type]>([
    StableDiffusion3Pipeline.self, FluxPipeline.self,
  ])

  /// Every family.
  public static var all: [any FlowModel.Type] { families.withLock { $0 } }

  /// Registers a family of another module; its class name must be new.
  public static func register(_ family: any FlowModel.Type) {
    families.withLock { families in
      let known = families.first { $0.className == family.className }
      precondition(
        known == nil || known == family, "\(family.className) is the class of another family")
      if known == nil { families.append(family) }
    }
  }
  /// The family of a model folder, from its index or, in a folder without one, from the class of
  /// its transformer.
  ///
  /// - Throws: `PipelineError` if neither can be read, or if the class belongs to no family.
  public static func family(of folder: String) throws(PipelineError) -> any FlowModel.Type {
    let index = "\(folder)/\(ModelIndex.fileName)"
    guard contains(modelIn: folder) else { throw .noModel(folder: folder) }
    if !FileManager.default.fileExists(atPath: index) {
      let path = "\(folder)/transformer/config.json"
      if let found = try ModelIndex.className(ofConfiguration: path) {
        return try family(named: found, in: path) { $0.transformerClassName }
      }
    }
    let found = try ModelIndex(folder: folder).className
    return try family(named: found, in: index) { $0.className }
  }

  /// The defaults of the model in a folder.
  ///
  /// - Throws: `PipelineError` as ``family(of:)``, or for the transformer's configuration.
  public static func defaults(of folder: String) throws(PipelineError) -> FlowModelDefaults {
    try family(of: folder).defaults(of: folder)
  }

  /// Whether a folder has an index or a transformer's configuration.
  package static func contains(modelIn folder: String) -> Bool {
    [ModelIndex.fileName, "transformer/config.json"].contains {
      FileManager.default.fileExists(atPath: "\(folder)/\($0)")
    }
  }

  private static func family(
    named found: String, in path: String, _ name: (any FlowModel.Type) -> String
  ) throws(PipelineError) -> any FlowModel.Type {
    let families = all
    guard let family = families.first(where: { name($0) == found }) else {
      throw .wrongClass(
        path: path, component: "_class_name",
        expected: families.map(name).joined(separator: " or "), found: found)
    }
    return family
  }

  /// The family of models that `pretrain` creates.
  package static let pretrained: any PretrainableModel.Type = StableDiffusion3Pipeline.self
}
