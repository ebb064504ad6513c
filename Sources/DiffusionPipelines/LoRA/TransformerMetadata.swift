import DiffusionModels
import Torch
public import TorchNN

/// The linear layers of a model folder's transformer, read from its configuration alone.
package struct TransformerMetadata {
  /// The model folder.
  package let folder: String
  /// Paths in declaration order.
  package let paths: [String]
  /// `[out, in]` by path.
  package let shapes: [String: [Int]]

  /// - Throws: `PipelineError.model` or `.parameters`.
  package init(folder: String) throws(PipelineError) {
    self.folder = folder
    let configuration = try wrapping(PipelineError.model) { () throws(ModelError) in
      try SD3TransformerConfiguration(contentsOf: "\(folder)/transformer/config.json")
    }
    let store = ParameterStore(.meta, device: .meta)
    try wrapping(PipelineError.parameters) { () throws(ParameterError) in
      _ = try SD3Transformer2DModel(configuration, store.root)
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
  package func check(against model: TransformerMetadata) throws(PipelineError) {
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
}

extension LoRA {
  /// The adapters as `StableDiffusion3Pipeline(folder:transformer:)` takes them.
  ///
  /// - Parameters:
  ///   - model: the pipeline folder they are for.
  ///   - trainable: whether they go on learning.
  /// - Throws: `PipelineError.otherModel` when they are another model's, or what is wrong with the
  ///   folder.
  public func learningSetup(
    model: String, trainable: ParameterStore.Trainable = .nothing
  ) throws(PipelineError) -> LearningSetup {
    try check(against: TransformerMetadata(folder: model))
    return LearningSetup(
      trainable: trainable, adapters: (plan, .checkpoint(tensors, origin: origin)))
  }
}
