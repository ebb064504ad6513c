import OrderedCollections
public import Torch

/// The parameters of one network: their source, their order, and which of them are trainable.
///
/// A network's initializer takes `store.root` and declares its parameters; the order of the
/// declarations is the optimizer's and the checkpoint's. Call `finish()` when it is built.
public final class ParameterStore {
  /// Which parameters receive gradients.
  public enum Trainable: String, Equatable, Sendable {
    /// None: the network is only evaluated.
    case nothing
    /// Every parameter; adapters as well, when there are any.
    case full
    /// The low-rank adapters alone.
    case adapters
  }

  private enum Kind { case parameter, moved, buffer, adapter }
  private struct Entry {
    let tensor: Tensor
    let kind: Kind
  }

  /// The device that holds the parameters.
  public let device: Device
  /// The selection of trainable parameters.
  public private(set) var trainableSelection: Trainable
  /// The LoRA configuration; nil without adapters.
  public let loraConfig: LoRAConfig?
  /// The paths of the linear layers with an adapter, in declaration order.
  public private(set) var adaptedPaths: [String] = []

  /// The parameters of the transformer's blocks, in the order in which the blocks run; empty for
  /// other networks.
  public private(set) var blocks: [[BlockParameter]] = []
  /// Moves the weights of the blocks; nil if all weights stay on the device.
  package let residency: MovingWeights?

  private let source: ParameterSource
  private let adapterSource: ParameterSource
  private let dtype: DType?
  private var entries: OrderedDictionary<String, Entry> = [:]
  private var ignored: Set<String> = []
  /// Modules that the source may hold without use.
  private var ignoredPrefixes: [String] = []
  private let adapterSwitch = LoRASwitch()

  /// An empty store, filled by the declarations of a network.
  ///
  /// - Parameters:
  ///   - dtype: the type of the base parameters; nil keeps the source's (float32 for new ones).
  ///     Adapters are always float32: an update of relative size 1e-3 is lost in bfloat16.
  ///   - adapters: which linear layers to adapt, and the source of the adapters' values.
  ///   - residency: for frozen weights of blocks that are quantized, on the host or shared.
  public init(
    _ source: ParameterSource, dtype: DType? = nil, device: Device = .cpu,
    adapters: (config: LoRAConfig, source: ParameterSource)? = nil,
    trainable: Trainable = .nothing, residency: MovingWeights? = nil
  ) {
    precondition(residency == nil || trainable != .full, "weights that move are frozen")
    self.residency = residency
    self.source = source
    self.dtype = dtype
    self.device = device
    loraConfig = adapters?.config
    adapterSource = adapters?.source ?? source
    trainableSelection = trainable
  }

  /// The scope of the whole network.
  public var root: ParameterScope { ParameterScope(store: self, path: "", block: nil) }

  /// Checks that the network uses every tensor of its sources and that all of them are finite; call
  /// it once the network is built. Reads every weight once.
  ///
  /// - Throws: `ParameterError.unused`, `.unmatchedTargets` or `.notFinite`.
  public func finish() throws(ParameterError) {
    try checkUsed(source)
    // Weights that move have been checked one by one.
    try checkFinite(select { $0.kind == .parameter || $0.kind == .buffer }, of: source)
    guard let loraConfig else { return }
    try checkUsed(adapterSource)
    try checkFinite(adapters, of: adapterSource)
    let unmatched = loraConfig.targets.filter { target in
      !adaptedPaths.contains { LoRAConfig.matches($0, target) }
    }
    guard unmatched.isEmpty else { throw .unmatchedTargets(unmatched) }
  }

  private func checkFinite(
    _ tensors: [Named], of source: ParameterSource
  ) throws(ParameterError) {
    guard case .checkpoint(let checkpoint) = source else { return }
    try TorchNN.checkFinite(tensors, origin: checkpoint.path)
  }

  private func checkUsed(_ source: ParameterSource) throws(ParameterError) {
    guard case .checkpoint(let checkpoint) = source else { return }
    let unused = checkpoint.tensors.keys
      .filter { entries[$0] == nil && !isIgnored($0) }.sorted()
    guard unused.isEmpty else { throw .unused(keys: unused, origin: checkpoint.path) }
  }

  private func isIgnored(_ key: String) -> Bool {
    ignored.contains(key) || ignoredPrefixes.contains { key.hasPrefix($0) }
  }
}

// MARK: - Contents

extension ParameterStore {
  /// A tensor and its name in the checkpoint.
  public typealias Named = (name: String, tensor: Tensor)

  /// Everything except adapters, buffers included, in declaration order: the contents of a model's
  /// weights file. Where weights move, those of the blocks are views into slots, whose values are
  /// those of other blocks.
  public var weights: [Named] { select { $0.kind != .adapter } }

  /// All parameters with adapters and without buffers, in declaration order.
  public var parameters: [Named] { select { $0.kind != .buffer } }

  /// The adapters' parameters in declaration order; names end in `lora_A.weight`, `lora_B.weight`.
  public var adapters: [Named] { select { $0.kind == .adapter } }

  /// The trainable parameters in declaration order: the optimizer's list.
  public var trainable: [Named] {
    switch trainableSelection {
    case .nothing: []
    case .full: parameters
    case .adapters: adapters
    }
  }

  /// Copies the values of `saved` into the trainable parameters by name; other tensors are ignored.
  ///
  /// - Throws: `ParameterError.state` when one is missing or misshapen; nothing is changed.
  public func restore(_ saved: [String: Tensor]) throws(ParameterError) {
    try restoreAll(trainable, from: saved)
  }

  /// Makes no parameter trainable: none receives gradients any more.
  public func freeze() {
    trainableSelection = .nothing
    for entry in entries.values { entry.tensor.requiresGradient = false }
  }

  /// How the linear layers of the blocks are stored.
  public var quantization: WeightQuantization { residency?.quantization ?? .none }

  /// Whether the weights of the blocks are quantized, on the host or shared among processes.
  public var movesWeights: Bool { residency != nil }

  private func select(_ included: (Entry) -> Bool) -> [Named] {
    entries.compactMap { included($0.value) ? ($0.key, $0.value.tensor) : nil }
  }
}

// MARK: - Adapters on and off

extension ParameterStore {
  /// Runs `body` with every adapter of this network disabled: the reference model of the KL term.
  public func withoutAdapters<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let previous = adapterSwitch.isEnabled
    adapterSwitch.isEnabled = false
    defer { adapterSwitch.isEnabled = previous }
    return try body()
  }
}

// MARK: - Declarations, through `ParameterScope`

extension ParameterStore {
  func beginBlock() -> Int {
    blocks.append([])
    return blocks.count - 1
  }

  func parameter(
    _ key: String, _ shape: [Int], _ initial: Initializer, in block: Int?, isMatrix: Bool = false
  ) throws(ParameterError) -> Tensor {
    if let block {
      blocks[block].append(BlockParameter(name: key, shape: shape, isMatrix: isMatrix))
      if let residency { return try moved(key, shape, initial, residency) }
    }
    let tensor: Tensor
    switch source {
    case .checkpoint(let checkpoint):
      tensor = try loaded(key, shape, checkpoint, copy: trainableSelection == .full)
    case .random(let generator): tensor = prepared(initial.tensor(shape, generator))
    case .meta: tensor = Tensor.empty(shape, dtype: dtype ?? .float32, device: .meta)
    }
    return insert(key, tensor, .parameter, isTrainable: trainableSelection == .full)
  }

  /// A view into a slot for a parameter whose values `residency` takes. The pages of the file are
  /// released.
  private func moved(
    _ key: String, _ shape: [Int], _ initial: Initializer, _ residency: MovingWeights
  ) throws(ParameterError) -> Tensor {
    let tensor: Tensor
    switch source {
    case .checkpoint(let checkpoint):
      let found = try Self.find(key, shape, checkpoint)
      guard let inserted = residency.insert(found, key) else {
        throw .notFinite(key: key, dtype: dtype ?? found.dtype, origin: checkpoint.path)
      }
      tensor = inserted
      checkpoint.releasePages(of: key)
    case .random(let generator):
      guard let inserted = residency.insert(initial.tensor(shape, generator), key) else {
        throw .notFinite(key: key, dtype: dtype ?? .float32, origin: "new weights")
      }
      tensor = inserted
    case .meta: preconditionFailure("weights without memory do not move")
    }
    return insert(key, tensor, .moved, isTrainable: false)
  }

  func buffer(
    _ key: String, _ shape: [Int], _ value: () -> Tensor
  ) throws(ParameterError) -> Tensor {
    let tensor: Tensor
    switch source {
    case .checkpoint(let checkpoint):
      tensor = try loaded(key, shape, checkpoint, copy: false)
    case .random: tensor = prepared(value())
    case .meta: tensor = Tensor.empty(shape, dtype: dtype ?? .float32, device: .meta)
    }
    return insert(key, tensor, .buffer, isTrainable: false)
  }

  func ignore(_ key: String) { ignored.insert(key) }

  func ignoreAll(in path: String) { ignoredPrefixes.append("\(path).") }

  func holds(_ key: String) -> Bool {
    guard case .checkpoint(let checkpoint) = source else { return false }
    return checkpoint.tensors[key] != nil
  }

  func adapter(
    _ path: String, _ inputs: Int, _ outputs: Int
  ) throws(ParameterError) -> LowRankAdapter? {
    guard let config = loraConfig, config.adapts(path) else { return nil }
    adaptedPaths.append(path)
    let down = try adapterParameter(
      "\(path).lora_A.weight", [config.rank, inputs], .normal(1 / Double(config.rank)))
    let up = try adapterParameter("\(path).lora_B.weight", [outputs, config.rank], .zeros)
    return LowRankAdapter(down: down, up: up, scale: config.scale, toggle: adapterSwitch)
  }

  private func adapterParameter(
    _ key: String, _ shape: [Int], _ initial: Initializer
  ) throws(ParameterError) -> Tensor {
    let tensor: Tensor
    switch adapterSource {
    case .checkpoint(let checkpoint):
      tensor = try Self.find(key, shape, checkpoint).to(.float32).to(device).clone()
    case .random(let generator): tensor = initial.tensor(shape, generator).to(device)
    case .meta: tensor = Tensor.empty(shape, dtype: .float32, device: .meta)
    }
    return insert(key, tensor, .adapter, isTrainable: trainableSelection != .nothing)
  }

  private func insert(_ key: String, _ tensor: Tensor, _ kind: Kind, isTrainable: Bool) -> Tensor {
    precondition(entries[key] == nil, "'\(key)' is declared twice")
    tensor.requiresGradient = isTrainable
    entries[key] = Entry(tensor: tensor, kind: kind)
    return tensor
  }

  /// The tensor in the store's precision and on its device. If that takes a copy, or `copy` forces
  /// one, the pages of the file are released.
  private func loaded(
    _ key: String, _ shape: [Int], _ checkpoint: WeightsFile, copy: Bool
  ) throws(ParameterError) -> Tensor {
    let found = try Self.find(key, shape, checkpoint)
    let converted = prepared(found)
    let isCopied = converted.dtype != found.dtype || converted.device != found.device
    guard isCopied || copy else { return found }
    let tensor = isCopied ? converted : converted.clone()
    checkpoint.releasePages(of: key)
    return tensor
  }

  /// Converts to the store's precision and device.
  private func prepared(_ tensor: Tensor) -> Tensor {
    (dtype.map { tensor.to($0) } ?? tensor).to(device)
  }

  private static func find(
    _ key: String, _ shape: [Int], _ checkpoint: WeightsFile
  ) throws(ParameterError) -> Tensor {
    let origin = checkpoint.path
    guard let tensor = checkpoint.tensors[key] else { throw .missing(key: key, origin: origin) }
    guard tensor.shape == shape else {
      throw .shape(key: key, expected: shape, found: tensor.shape, origin: origin)
    }
    guard tensor.dtype.isFloatingPoint else { throw .notFloatingPoint(key: key, origin: origin) }
    guard tensor.dtype.byteCount > 1 else { throw .eightBit(key: key, origin: origin) }
    return tensor
  }
}
