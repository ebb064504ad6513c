import Foundation
import Torch
import TorchNN

extension LoRA {
  /// Reads adapters of any layout.
  ///
  /// - Parameter path: a `.safetensors` file of diffusers or kohya, or a folder that holds
  ///   `adapter_config.json` (PEFT) or `pytorch_lora_weights.safetensors` (diffusers).
  /// - Throws: `PipelineError` for a missing or damaged file, non-finite elements, a key outside
  ///   the adapters of a transformer, layers that differ in rank or alpha, and unsupported
  ///   settings.
  public init(path: String) throws(PipelineError) {
    let weights = try Self.weightsFile(path)
    let file = try wrapping(PipelineError.weights) { () throws(SafetensorsError) in
      try SafetensorsFile(path: weights)
    }
    for key in file.keys {
      guard let reason = Self.reasonToRefuse(key) else { continue }
      throw .unsupported(path: weights, key: key, reason: reason)
    }
    if file.keys.contains(where: { $0.hasPrefix(KohyaLayers.prefix) }) {
      try self.init(kohya: file)
    } else {
      try self.init(file)
    }
    try checkFinite()
  }

  /// The names of PEFT's and of diffusers' file in a folder.
  static let peftFile = "adapter_model.safetensors"
  static let diffusersFile = "pytorch_lora_weights.safetensors"
  /// The prefixes of a layer's path in the keys of PEFT and diffusers.
  static let peftPrefix = "base_model.model."
  static let diffusersPrefix = "transformer."

  /// The file with the tensors.
  private static func weightsFile(_ path: String) throws(PipelineError) -> String {
    let files = FileManager.default
    var isFolder: ObjCBool = false
    guard files.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
      return path
    }
    let choices = [(PEFTConfig.fileName, peftFile), (diffusersFile, diffusersFile)]
    for (mark, weights) in choices where files.fileExists(atPath: "\(path)/\(mark)") {
      return "\(path)/\(weights)"
    }
    throw .unreadable(
      path: path,
      reason: "it holds neither \(PEFTConfig.fileName) nor \(diffusersFile); name a folder "
        + "that does, or a .safetensors file")
  }

  /// The reason to refuse a key outside the plain adapters of a transformer; nil for other keys.
  private static func reasonToRefuse(_ key: String) -> String? {
    if key.hasPrefix("text_encoder") || key.hasPrefix("lora_te") {
      return "adapts a text encoder, which is not supported; save the transformer's layers alone"
    }
    if key.contains("lora_magnitude_vector") || key.hasSuffix(".dora_scale") {
      return "belongs to DoRA, which is not supported; train or save a plain LoRA"
    }
    if key.contains(".hada_") || key.contains(".lokr_") {
      return "belongs to LyCORIS, which is not supported; train or save a plain LoRA"
    }
    return nil
  }

  /// Reads PEFT's and diffusers' layouts, which differ in their keys.
  private init(_ file: SafetensorsFile) throws(PipelineError) {
    let prefix = LoRALayouts.prefix(of: file.keys)
    let (tensors, alphas) = try Self.tensors(file, prefix: prefix)
    let rank = try Self.checkedRank(tensors, path: file.path)
    let settings = try Self.settings(file, prefix: prefix)
    if let settings, settings.rank != rank {
      throw .inconsistent(
        path: file.path,
        reason: "the settings have rank \(settings.rank), the adapters \(rank)")
    }
    var record = LoRARecord(header: file.metadata)
    record.baseModel = record.baseModel ?? settings?.baseModel
    // Without settings, diffusers uses B A unscaled.
    let alpha = try Self.alpha(
      alphas, settings: settings, rank: rank, layers: Self.paths(tensors), path: file.path)
    self.init(
      tensors,
      config: settings?.targets.map { LoRAConfig(rank: rank, alpha: alpha, targets: $0) }
        ?? LoRAConfig(rank: rank, alpha: alpha, layers: Self.paths(tensors)),
      record: record, origin: file.path)
  }

  /// The adapters under PEFT's names without `prefix`, and the alphas that the file has.
  private static func tensors(
    _ file: SafetensorsFile, prefix: String
  ) throws(PipelineError) -> (tensors: [String: Tensor], alphas: [String: Double]) {
    var tensors: [String: Tensor] = [:]
    var alphas: [String: Double] = [:]
    var adapter: (name: String?, key: String)?
    for key in file.keys {
      guard key.hasPrefix(prefix), let parts = LoRAKey(key.dropFirst(prefix.count)) else {
        throw LoRALayouts.refusal(of: key, path: file.path)
      }
      let tensor = try wrapping(PipelineError.weights) { () throws(SafetensorsError) in
        try file.tensor(key)
      }
      if parts.kind == .alpha {
        guard isPositiveNumber(tensor) else {
          throw .unsupported(path: file.path, key: key, reason: "is not one positive number")
        }
        alphas[parts.path] = tensor.item()
        continue
      }
      if let adapter, adapter.name != parts.adapter {
        throw .unsupported(
          path: file.path, key: key,
          reason: "belongs to another adapter than '\(adapter.key)'; save one adapter a file")
      }
      adapter = adapter ?? (parts.adapter, key)
      let name = parts.path + (parts.kind == .down ? downSuffix : upSuffix)
      guard tensors.updateValue(tensor, forKey: name) == nil else {
        throw .unsupported(path: file.path, key: key, reason: "is present under two names")
      }
    }
    return (tensors, alphas)
  }

  /// The alpha of all layers, from the settings or the layers; the default of a layer's alpha is
  /// its rank.
  private static func alpha(
    _ alphas: [String: Double], settings: PEFTConfig?, rank: Int, layers: [String],
    path: String
  ) throws(PipelineError) -> Double {
    for layer in alphas.keys.sorted() where !layers.contains(layer) {
      throw .weights(.missingKey(path: path, key: layer + downSuffix))
    }
    let usual = settings?.alpha ?? Double(rank)
    guard !alphas.isEmpty, let first = layers.first else { return usual }
    let alpha = alphas[first] ?? usual
    for layer in layers {
      let found = alphas[layer] ?? usual
      guard abs(found - alpha) > 1e-6 * alpha else { continue }
      throw .unsupported(
        path: path, key: layer,
        reason: "has alpha \(found) where '\(first)' has \(alpha); only one alpha for all layers "
          + "is supported")
    }
    if let settings, abs(settings.alpha - alpha) > 1e-6 * alpha {
      throw .inconsistent(
        path: path, reason: "the settings have alpha \(settings.alpha), the layers \(alpha)")
    }
    return alpha
  }

  /// The layout's settings of rank and alpha: PEFT has them in a file beside the weights, diffusers
  /// in the header or not at all.
  private static func settings(
    _ file: SafetensorsFile, prefix: String
  ) throws(PipelineError) -> PEFTConfig? {
    guard prefix == peftPrefix else {
      return try PEFTConfig(header: file.metadata, prefix: prefix, path: file.path)
    }
    let folder = URL(fileURLWithPath: file.path).deletingLastPathComponent().path
    return try PEFTConfig(path: "\(folder)/\(PEFTConfig.fileName)")
  }

  static func paths(_ tensors: [String: Tensor]) -> [String] {
    tensors.keys.filter { $0.hasSuffix(downSuffix) }
      .map { String($0.dropLast(downSuffix.count)) }.sorted()
  }

  /// Checks that every layer has both matrices with one inner dimension, and returns that rank.
  static func checkedRank(
    _ tensors: [String: Tensor], path: String
  ) throws(PipelineError) -> Int {
    for key in tensors.keys.sorted() where key.hasSuffix(upSuffix) {
      let partner = key.dropLast(upSuffix.count) + downSuffix
      guard tensors[String(partner)] == nil else { continue }
      throw .weights(.missingKey(path: path, key: String(partner)))
    }
    let layers = paths(tensors)
    var first: (layer: String, rank: Int)?
    for layer in layers {
      guard let down = tensors[layer + downSuffix], let up = tensors[layer + upSuffix] else {
        throw .weights(.missingKey(path: path, key: layer + upSuffix))
      }
      guard down.rank == 2, up.rank == 2, down.shape[0] == up.shape[1], down.shape[0] > 0 else {
        throw .inconsistent(
          path: path,
          reason: "'\(layer)': \(down.shape) and \(up.shape) are not an adapter of a linear layer, "
            + "[rank, in] and [out, rank]")
      }
      let rank = down.shape[0]
      if let first, first.rank != rank {
        throw .unsupported(
          path: path, key: layer,
          reason: "has rank \(rank) where '\(first.layer)' has \(first.rank); only one rank for "
            + "all layers is supported")
      }
      first = first ?? (layer, rank)
    }
    guard let first else {
      throw .inconsistent(path: path, reason: "it holds no adapter of a transformer")
    }
    return first.rank
  }
}
