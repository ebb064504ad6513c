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

  /// Builds the transformer of a folder without memory.
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
  /// Makes sure that every adapter has its layer in the model.
  ///
  /// - Throws: `PipelineError.otherModel` with the first that has not.
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

  /// The adapters as ``FlowModel/init(_:training:)`` takes them.
  ///
  /// - Parameters:
  ///   - model: the folder of the model that they are for.
  ///   - trainable: whether they are trained on.
  /// - Throws: `PipelineError.otherModel` when they are another model's, or what is wrong with the
  ///   folder.
  public func learningSetup(
    model: String, trainable: ParameterStore.Trainable = .nothing
  ) throws(PipelineError) -> LearningSetup {
    try check(against: FlowModelRegistry.family(of: model).linearLayers(of: model))
    return LearningSetup(
      trainable: trainable, adapters: (plan, .checkpoint(tensors, origin: origin)))
  }
}
