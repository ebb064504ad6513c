public import Torch
public import TorchNN

/// A network and the store that owns its parameters.
public struct StoredNetwork<Network> {
  public let network: Network
  public let store: ParameterStore

  public init(_ network: Network, _ store: ParameterStore) {
    self.network = network
    self.store = store
  }
}

/// The trainable parameters of a network, its adapters, and the processes that share the rest.
public struct LearningSetup {
  public let trainable: ParameterStore.Trainable
  public let adapters: (config: LoRAConfig, source: ParameterSource)?
  /// The processes that keep a share each of the blocks' frozen weights; nil if this one has all.
  public let shards: (any ShardGroup)?

  /// - Parameter shards: of one process alone without effect.
  public init(
    trainable: ParameterStore.Trainable,
    adapters: (config: LoRAConfig, source: ParameterSource)? = nil,
    shards: (any ShardGroup)? = nil
  ) {
    self.trainable = trainable
    self.adapters = adapters
    self.shards = shards.flatMap { $0.size > 1 ? $0 : nil }
  }

  /// No trainable parameters and no adapters.
  public static var frozen: LearningSetup { LearningSetup(trainable: .nothing) }
}

/// Which weights of a component are read, and the device and precision of its networks.
public struct Placement: Sendable, Equatable {
  public var device: Device
  /// Precision of the networks; nil keeps the files'.
  public var dtype: DType?
  /// The variant of the weights, such as `fp16`; as in diffusers, components without it use their
  /// plain weights.
  public var variant: String?
  /// Precision of the autoencoder; nil means `dtype`.
  public var autoencoderDType: DType?
  /// How the linear layers of the transformer's blocks are stored.
  public var quantization: WeightQuantization
  /// Where the weights of the transformer's blocks stay.
  public var offload: WeightOffload

  public init(
    device: Device = .cpu, dtype: DType? = nil, variant: String? = nil,
    autoencoderDType: DType? = nil, quantization: WeightQuantization = .none,
    offload: WeightOffload = .none
  ) {
    self.quantization = quantization
    self.offload = offload
    self.device = device
    self.dtype = dtype
    self.variant = variant
    self.autoencoderDType = autoencoderDType
  }

  /// The placement of the autoencoder.
  var ofAutoencoder: Placement {
    Placement(device: device, dtype: autoencoderDType ?? dtype, variant: variant)
  }

  /// Whether the weights of the transformer's blocks are quantized or on the host, which needs
  /// frozen weights.
  public var movesWeights: Bool { quantization != .none || offload != .none }

  /// Opens the weights `<folder>/<baseName>`.
  package func open(folder: String, baseName: String) throws(PipelineError) -> WeightsFile {
    let chosen = variant.flatMap {
      WeightsFile.exists(folder: folder, baseName: baseName, variant: $0) ? $0 : nil
    }
    return try wrapping(PipelineError.weights) { () throws(SafetensorsError) in
      try WeightsFile.open(folder: folder, baseName: baseName, variant: chosen)
    }
  }

  /// Opens the weights of a component, whichever library's name they have.
  package func openWeights(ofComponent folder: String) throws(PipelineError) -> WeightsFile {
    let isOfDiffusers = [variant, nil].contains {
      WeightsFile.exists(folder: folder, baseName: diffusersWeights, variant: $0)
    }
    return try open(
      folder: folder, baseName: isOfDiffusers ? diffusersWeights : transformersWeights)
  }

  /// Checks that at least one component of the pipeline in `folder` has the variant.
  func checkVariant(folder: String) throws(PipelineError) {
    guard let variant else { return }
    let components =
      ["transformer", "vae"].map { ($0, diffusersWeights) }
      + ["", "_2", "_3"].map { ("text_encoder\($0)", transformersWeights) }
    let isThere = components.contains { name, weights in
      WeightsFile.exists(folder: "\(folder)/\(name)", baseName: weights, variant: variant)
    }
    guard isThere else {
      throw .inconsistent(
        path: folder,
        reason: "no component has weights of the variant '\(variant)'; leave the variant out, or "
          + "download its files, such as 'transformer/\(diffusersWeights).\(variant).safetensors'")
    }
  }
}

extension StoredNetwork {
  /// Reads `config.json` and the weights of one component.
  package init<Configuration: ModelConfiguration>(
    folder: String, weights: String, placement: Placement, learning: LearningSetup = .frozen,
    build: (Configuration, ParameterScope) throws(ParameterError) -> Network
  ) throws(PipelineError) {
    let configuration: Configuration = try wrapping(PipelineError.model) {
      () throws(ModelError) in try Configuration(contentsOf: "\(folder)/config.json")
    }
    let checkpoint = try placement.open(folder: folder, baseName: weights)
    let store = ParameterStore(
      .checkpoint(checkpoint), dtype: placement.dtype, device: placement.device,
      adapters: learning.adapters, trainable: learning.trainable,
      residency: try placement.residency(of: checkpoint, learning.shards) {
        outline throws(ParameterError) in
        _ = try build(configuration, outline)
      })
    network = try wrapping(PipelineError.parameters) { () throws(ParameterError) in
      let network = try build(configuration, store.root)
      try store.finish()
      return network
    }
    self.store = store
  }
}

extension Placement {
  /// Moves the weights of a network's blocks; nil if all stay on the device.
  ///
  /// - Parameter build: declares the parameters of the network, here without memory.
  fileprivate func residency(
    of checkpoint: WeightsFile, _ shards: (any ShardGroup)?,
    _ build: (ParameterScope) throws(ParameterError) -> Void
  ) throws(PipelineError) -> MovingWeights? {
    guard movesWeights || shards != nil else { return nil }
    let outline = ParameterStore(.meta, device: .meta)
    try wrapping(PipelineError.parameters) { () throws(ParameterError) in
      try build(outline.root)
    }
    guard !outline.blocks.isEmpty else { return nil }
    return MovingWeights(
      outline.blocks, dtype: { dtype ?? checkpoint.tensors[$0]?.dtype ?? .float32 },
      quantization: quantization, offload: offload, device: device, group: shards)
  }
}

/// The base name of a component's weights in diffusers.
let diffusersWeights = "diffusion_pytorch_model"
/// The base name of a component's weights in transformers.
let transformersWeights = "model"
