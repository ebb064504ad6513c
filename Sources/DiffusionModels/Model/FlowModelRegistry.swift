import Synchronization

/// The families of models, by the class in `model_index.json`.
public enum FlowModelRegistry {
  private static let families = Mutex<[any FlowModel.Type]>([StableDiffusion3Pipeline.self])

  /// Every family.
  public static var all: [any FlowModel.Type] { families.withLock { $0 } }

  /// Adds a family of another module; its class name must be new.
  public static func register(_ family: any FlowModel.Type) {
    families.withLock { families in
      guard !families.contains(where: { $0.className == family.className }) else { return }
      families.append(family)
    }
  }

  /// The family of a model folder.
  ///
  /// - Throws: `PipelineError` when the index cannot be read, or names a class of no family.
  public static func family(of folder: String) throws(PipelineError) -> any FlowModel.Type {
    let index = try ModelIndex(folder: folder)
    let families = all
    guard let family = families.first(where: { $0.className == index.className }) else {
      throw .wrongClass(
        path: index.path, component: "_class_name",
        expected: families.map { $0.className }.joined(separator: " or "), found: index.className)
    }
    return family
  }

  /// The family that `pretrain` makes models of.
  package static let pretrained: any PretrainableModel.Type = StableDiffusion3Pipeline.self
}
