import Torch
public import TorchNN

/// The linear layers of a model folder's transformer.
public struct LinearLayers {
  /// The model folder.
  public let folder: String
  /// Paths in declaration order.
  public let paths: [String]
  /// `[out, in]` by path.
  public let shapes: [String: [Int]]

  /// Builds the transformer of a folder on the meta device, without memory.
  ///
  /// - Throws: `PipelineError.model` or `.parameters`.
  public init<Configuration: ModelConfiguration, Network>(
    folder: String,
    _ build: (Configuration, ParameterScope) throws(ParameterError) -> Network
  ) throws(PipelineError) {
    self.folder = folder
    let configuration: Configuration = try wrapping(PipelineError.model) {
      () throws(ModelError) in
      try Configuration(contentsOf: "\(folder)/transformer/config.json")
    }
    let store = ParameterStore(.meta, device: .meta)
    _ = try wrapping(PipelineError.parameters) { () throws(ParameterError) in
      try build(configuration, store.root)
    }
    let suffix = ".weight"
    let layers = store.parameters
      .filter { $0.name.hasSuffix(suffix) && $0.tensor.shape.count == 2 }
      .map { (path: String($0.name.dropLast(suffix.count)), shape: $0.tensor.shape) }
    paths = layers.map(\.path)
    shapes = Dictionary(uniqueKeysWithValues: layers.map { ($0.path, $0.shape) })
  }
}

extension LoRA {
  /// Checks that the model has a layer for every adapter.
  ///
  /// - Throws: `PipelineError.otherModel` for the first missing layer.
  package func check(against model: LinearLayers) throws(PipelineError) {
    for path in paths {
      let (down, up) = pair(path)
      let found = [up.shape[0], down.shape[1]]
      guard model.shapes[path] == found else {
        throw .otherModel(
          path: origin, layer: path, expected: model.shapes[path], found: found,
          baseModel: record.baseModel)
      }
    }
  }

  /// The adapters as the argument of ``FlowModel/init(_:training:)``.
  ///
  /// - Parameters:
  ///   - model: the folder of the base model.
  ///   - trainable: whether training continues.
  /// - Throws: `PipelineError.otherModel` for adapters of another model, or any error of the
  ///   folder.
  public func learningSetup(
    model: String, trainable: ParameterStore.Trainable = .nothing
  ) throws(PipelineError) -> LearningSetup {
    try check(against: FlowModelRegistry.family(of: model).linearLayers(of: model))
    // The file's layers, as in diffusers: its settings may name more than it has.
    let layers = LoRAConfig(rank: config.rank, alpha: config.alpha, layers: Self.paths(tensors))
    return LearningSetup(
      trainable: trainable, adapters: (layers, .checkpoint(tensors, origin: origin)))
  }
}
