public import Torch
public import TorchNN

/// Low-rank adapters of one transformer, as stored in files.
///
/// Three layouts are read and written: PEFT's folder, diffusers' file and kohya's file; see
/// `docs/lora.md`.
///
///     let lora = try LoRA(path: "pytorch_lora_weights.safetensors")
///     let pipeline = try StableDiffusion3Pipeline(
///       folder: folder, transformer: try lora.learningSetup(model: folder))
public struct LoRA {
  /// A file layout of adapters.
  public enum Format: String, CaseIterable, Sendable {
    /// A folder: `adapter_config.json`, and `adapter_model.safetensors` with keys
    /// `base_model.model.<path>.lora_A.weight`.
    case peft
    /// One file with keys `transformer.<path>.lora_A.weight`; rank and alpha in its header.
    case diffusers
    /// One file with the original model's layers, `lora_unet_<layer>.lora_down.weight`, and one
    /// alpha per layer.
    case kohya
  }

  /// Rank, alpha and the adapted layers.
  public let config: LoRAConfig
  /// `<path>.lora_A.weight` `[rank, in]` and `<path>.lora_B.weight` `[out, rank]` per layer.
  public let tensors: [String: Tensor]
  /// The metadata of the adapters' training.
  public var record: LoRARecord
  /// The file or folder of the adapters, for errors.
  public let origin: String

  /// Creates adapters from tensors in memory.
  ///
  /// - Parameter tensors: both tensors of every layer, under the names of a `ParameterStore`.
  public init(
    _ tensors: [String: Tensor], config: LoRAConfig, record: LoRARecord, origin: String
  ) {
    self.tensors = tensors
    self.config = config
    self.record = record
    self.origin = origin
  }

  /// The adapters of a network that is trained; the tensors are shared with the network.
  public init(_ store: ParameterStore, record: LoRARecord) {
    guard let config = store.loraConfig else {
      preconditionFailure("the network has no adapters")
    }
    let tensors = store.adapters.map { ($0.name, $0.tensor.detached()) }
    self.init(
      Dictionary(uniqueKeysWithValues: tensors), config: config, record: record, origin: "adapters")
  }

  /// The adapted layers, sorted.
  public var paths: [String] {
    tensors.keys.filter { $0.hasSuffix(Self.downSuffix) }
      .map { String($0.dropLast(Self.downSuffix.count)) }.sorted()
  }

  /// Checks that all elements are finite.
  ///
  /// - Throws: `PipelineError.parameters`, naming the file and the first tensor that is not.
  func checkFinite() throws(PipelineError) { try Self.checkFinite(tensors, origin: origin) }

  /// Checks that all elements of any tensors are finite.
  static func checkFinite(
    _ tensors: [String: Tensor], origin: String
  ) throws(PipelineError) {
    let sorted = tensors.sorted { $0.key < $1.key }.map { (name: $0.key, tensor: $0.value) }
    try wrapping(PipelineError.parameters) { () throws(ParameterError) in
      try TorchNN.checkFinite(sorted, origin: origin)
    }
  }

  /// The matrices A `[rank, in]` and B `[out, rank]` of one of `paths`.
  func pair(_ path: String) -> (down: Tensor, up: Tensor) {
    guard let down = tensors[path + Self.downSuffix], let up = tensors[path + Self.upSuffix] else {
      preconditionFailure("no adapter at '\(path)'")
    }
    return (down, up)
  }

  static let downSuffix = ".lora_A.weight"
  static let upSuffix = ".lora_B.weight"
}
