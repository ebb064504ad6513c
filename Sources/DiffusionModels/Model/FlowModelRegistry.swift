import Foundation
import Synchronization

/// The families of models, by the class in `model_index.json`.
public enum FlowModelRegistry {
  private static let families = Mutex<[any FlowModel.Type]>([
    StableDiffusion3Pipeline.self, FluxPipeline.self, QwenImagePipeline.self,
  ])

  /// Every family.
  public static var all: [any FlowModel.Type] { families.withLock { $0 } }

  /// Registers a family of another module; its class names must be new.
  public static func register(_ family: any FlowModel.Type) {
    families.withLock { families in
      let known = families.first { !Set($0.classNames).isDisjoint(with: family.classNames) }
      precondition(
        known == nil || known == family, "\(family.classNames) are classes of another family")
      if known == nil { families.append(family) }
    }
  }

  /// The family of a model folder, from its index or, in a folder without one, from the class of
  /// its transformer.
  ///
  /// - Throws: `PipelineError` if neither can be read, or if the class belongs to no family.
  public static func family(of folder: String) throws(PipelineError) -> any FlowModel.Type {
    try model(in: folder).family
  }

  /// The pipeline's class of a model folder.
  ///
  /// - Throws: `PipelineError` as ``family(of:)``.
  public static func className(of folder: String) throws(PipelineError) -> String {
    try model(in: folder).className
  }

  private static func model(
    in folder: String
  ) throws(PipelineError) -> (family: any FlowModel.Type, className: String) {
    let index = "\(folder)/\(ModelIndex.fileName)"
    guard contains(modelIn: folder) else { throw .noModel(folder: folder) }
    if !FileManager.default.fileExists(atPath: index) {
      let path = "\(folder)/transformer/config.json"
      if let found = try ModelIndex.className(ofConfiguration: path) {
        let family = try family(named: found, in: path) { [$0.transformerClassName] }
        return (family, family.classNames[0])
      }
    }
    let found = try ModelIndex(folder: folder).className
    return (try family(named: found, in: index) { $0.classNames }, found)
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
    named found: String, in path: String, _ names: (any FlowModel.Type) -> [String]
  ) throws(PipelineError) -> any FlowModel.Type {
    let families = all
    guard let family = families.first(where: { names($0).contains(found) }) else {
      throw .wrongClass(
        path: path, component: "_class_name",
        expected: families.flatMap(names).joined(separator: " or "), found: found)
    }
    return family
  }

  /// The family of a pipeline's class whose models `pretrain` can create; nil if there is none.
  package static func pretrainable(_ className: String) -> (any PretrainableModel.Type)? {
    pretrainableFamilies.first { $0.classNames.contains(className) }
  }

  /// The families whose models `pretrain` can create.
  package static var pretrainableFamilies: [any PretrainableModel.Type] {
    all.compactMap { $0 as? any PretrainableModel.Type }
  }
}
