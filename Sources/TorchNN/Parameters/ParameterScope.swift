public import Torch

/// The part of a `ParameterStore` under one module: `scope["attn"]["to_q"]` is `attn.to_q`.
///
/// Names are exactly those of the checkpoint format, so no mapping table exists.
public struct ParameterScope {
  let store: ParameterStore
  /// The module's path, such as `transformer_blocks.0.attn`; empty at the root.
  public let path: String
  /// The number of the transformer's block that the module is in; nil outside the blocks.
  let block: Int?

  /// The scope of a child module.
  public subscript(_ name: String) -> ParameterScope {
    ParameterScope(store: store, path: path.isEmpty ? name : "\(path).\(name)", block: block)
  }

  /// The scope of a numbered child (`nn.ModuleList`, `nn.Sequential`).
  public subscript(_ index: Int) -> ParameterScope { self["\(index)"] }

  /// The scope of a numbered child that is the next block of the network's `BlockLoop`: its
  /// parameters may be quantized, kept on the host or shared among processes.
  public func block(_ index: Int) -> ParameterScope {
    ParameterScope(store: store, path: self[index].path, block: store.beginBlock())
  }

  /// Declares a parameter of this module and returns its tensor.
  ///
  /// - Throws: `ParameterError` when the source lacks it or holds another shape or kind.
  public func tensor(
    _ name: String, _ shape: Int..., initial: Initializer
  ) throws(ParameterError) -> Tensor {
    try tensor(name, shape: shape, initial: initial)
  }

  /// Declares a parameter of this module and returns its tensor.
  ///
  /// - Throws: `ParameterError` when the source lacks it or holds another shape or kind.
  public func tensor(
    _ name: String, shape: [Int], initial: Initializer
  ) throws(ParameterError) -> Tensor {
    try store.parameter(self[name].path, shape, initial, in: block)
  }

  /// Declares the weight of a linear layer, which may be quantized. `[outputs, inputs]`
  ///
  /// - Throws: `ParameterError` when the source lacks it or holds another shape or kind.
  func matrix(_ name: String, _ outputs: Int, _ inputs: Int) throws(ParameterError) -> Tensor {
    try store.parameter(
      self[name].path, [outputs, inputs], .fanIn(inputs), in: block, isMatrix: true)
  }

  /// Whether the parameters of this module are views into slots, whose values change with the
  /// block that runs.
  var isMoved: Bool { block != nil && store.movesWeights }

  /// Declares a tensor that is saved with the model but never trained.
  ///
  /// - Parameter value: its value in a new model; it also determines the shape.
  /// - Throws: `ParameterError` when the source lacks it or holds another shape or kind.
  public func buffer(_ name: String, value: Tensor) throws(ParameterError) -> Tensor {
    try buffer(name, shape: value.shape) { value }
  }

  /// Declares a tensor that is saved with the model but never trained.
  ///
  /// - Parameter value: returns its value in a new model; called only for one.
  /// - Throws: `ParameterError` when the source lacks it or holds another shape or kind.
  public func buffer(
    _ name: String, shape: [Int], value: () -> Tensor
  ) throws(ParameterError) -> Tensor {
    try store.buffer(self[name].path, shape, value)
  }

  /// Whether the source is a checkpoint that holds this tensor.
  public func holds(_ name: String) -> Bool { store.holds(self[name].path) }

  /// Allows the source to hold this tensor although the model does not use it.
  public func ignore(_ name: String) { store.ignore(self[name].path) }

  /// Allows the source to hold any tensors of this module although the model does not use them.
  public func ignoreAll() { store.ignoreAll(in: path) }

  /// The low-rank adapter of this linear layer; nil if it is not a target of the configuration.
  func adapter(_ inputs: Int, _ outputs: Int) throws(ParameterError) -> LowRankAdapter? {
    try store.adapter(path, inputs, outputs)
  }
}
