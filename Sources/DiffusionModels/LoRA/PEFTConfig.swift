import Foundation
import Foundations
import TorchNN

/// PEFT's settings of a LoRA: `adapter_config.json`, or the header of diffusers' file.
///
/// PEFT has dozens of switches. Those that change the result must be off (null, false, 0 or empty);
/// those for training only are ignored.
struct PEFTConfig {
  static let fileName = "adapter_config.json"
  /// The entry of a safetensors header that diffusers reads; its text is JSON.
  static let headerKey = "lora_adapter_metadata"

  var rank: Int
  var alpha: Double
  /// nil if the file selects layers by a regular expression.
  var targets: [String]?
  /// Whether the targets are whole paths, one of which may be the end of another layer's path: as a
  /// list, PEFT would match that layer, too.
  private var needsExpression = false
  var baseModel: String?

  init(_ config: LoRAConfig) {
    rank = config.rank
    alpha = config.alpha
    targets = config.targets
    needsExpression = config.areWhole && config.targets.contains { !$0.contains(".") }
  }

  /// Reads `adapter_config.json`.
  init(path: String) throws(PipelineError) {
    let bytes = try reading(path) { try AtomicFile.read(path) }
    let entries = try Self.entries(bytes, path: path)
    guard entries["peft_type"] != nil else {
      throw .unsupported(path: path, key: "peft_type", reason: "is missing; only LORA is supported")
    }
    try self.init(entries, path: path)
  }

  /// Reads the entries with `prefix` from the header of the file at `path`; nil if there are none.
  init?(header: [String: String], prefix: String, path: String) throws(PipelineError) {
    guard let text = header[Self.headerKey] else { return nil }
    let entries = try Self.entries(Array(text.utf8), path: path).filter { $0.key.hasPrefix(prefix) }
      .map { (String($0.key.dropFirst(prefix.count)), $0.value) }
    guard !entries.isEmpty else { return nil }
    try self.init(Dictionary(uniqueKeysWithValues: entries), path: path)
  }

  private static func entries(
    _ bytes: [UInt8], path: String
  ) throws(PipelineError) -> [String: JSONValue] {
    let value: JSONValue
    do throws(JSONParser.Failure) {
      value = try JSONParser.parse(bytes[...])
    } catch {
      throw .unreadable(path: path, reason: error.description)
    }
    guard let members = value.members else {
      throw .unreadable(path: path, reason: "the JSON is not an object")
    }
    return Dictionary(members.map { ($0.key, $0.value) }) { $1 }
  }

  private init(_ entries: [String: JSONValue], path: String) throws(PipelineError) {
    guard entries["peft_type"] ?? "LORA" == "LORA" else {
      throw .unsupported(path: path, key: "peft_type", reason: "only LORA is supported")
    }
    guard let rank = entries["r"]?.number.flatMap(Int.init(exactly:)), rank >= 1 else {
      throw .unsupported(path: path, key: "r", reason: "is not a positive whole number")
    }
    guard let alpha = entries["lora_alpha"]?.number, alpha > 0 else {
      throw .unsupported(path: path, key: "lora_alpha", reason: "is not a positive number")
    }
    guard entries["bias"] ?? "none" == "none" else {
      throw .unsupported(path: path, key: "bias", reason: "only 'none' is supported")
    }
    guard Self.keepsBase(entries["init_lora_weights"]) else {
      throw .unsupported(
        path: path, key: "init_lora_weights",
        reason: "the adapters belong to a base that PEFT changed when training began; save them "
          + "with save_pretrained's path_initial_model_for_weight_conversion")
    }
    self.rank = rank
    self.alpha = alpha
    targets = try Self.targets(entries["target_modules"], path: path)
    baseModel = entries["base_model_name_or_path"]?.string
    let read: Set<String> = [
      "peft_type", "r", "lora_alpha", "bias", "target_modules", "init_lora_weights",
    ]
    for (key, value) in entries.sorted(by: { $0.key < $1.key })
    where !read.contains(key) && !ignored.contains(key) && !value.isAtRest {
      throw .unsupported(path: path, key: key, reason: reasons[key] ?? "is set and unsupported")
    }
  }

  /// Whether adapters that were initialized in this way belong to the base as it is published. PEFT
  /// takes what PiSSA, OLoRA, CorDA, LoftQ and LoRA-GA put into the adapters out of the base.
  private static func keepsBase(_ initialization: JSONValue?) -> Bool {
    switch initialization {
    case nil, .null, .bool: true
    case .string(let name): ["gaussian", "eva", "orthogonal"].contains(name)
    default: false
    }
  }

  private static func targets(
    _ value: JSONValue?, path: String
  ) throws(PipelineError) -> [String]? {
    switch value {
    case .string: return nil
    case .array(let values):
      var targets: [String] = []
      for value in values {
        guard let target = value.string else { break }
        targets.append(target)
      }
      if targets.count == values.count { return targets }
    default: break
    }
    throw .unsupported(path: path, key: "target_modules", reason: "is not a list of names")
  }

  /// The text of `adapter_config.json`.
  func json() throws -> Data {
    try prettyJSON(
      settings.merging(
        [
          "peft_type": "LORA", "inference_mode": true, "task_type": nil,
          "base_model_name_or_path": baseModel.map(JSONValue.string) ?? .null,
        ]
      ) { $1 })
  }

  /// The settings for the header of diffusers' weights file, which diffusers selects by the prefix
  /// of the weights.
  func headerText(prefix: String) throws -> String {
    let entries = settings.map { (prefix + $0.key, $0.value) }
    let data = try prettyJSON(Dictionary(uniqueKeysWithValues: entries))
    return String(decoding: data, as: UTF8.self)
  }

  private var modules: JSONValue {
    let names = targets ?? []
    return needsExpression
      ? .string(names.map { $0.replacing(".", with: "\\.") }.joined(separator: "|"))
      : .array(names.map(JSONValue.string))
  }

  /// Versions of diffusers of 2025 read the patterns without looking whether they are there.
  private var settings: [String: JSONValue] {
    [
      "rank_pattern": .object([]), "alpha_pattern": .object([]),
      "r": .int(rank), "lora_alpha": .double(alpha),
      "target_modules": modules, "bias": "none",
      "lora_dropout": 0, "fan_in_fan_out": false, "init_lora_weights": "gaussian",
      "use_rslora": false, "use_dora": false,
    ]
  }
}

/// Keys that name things or only matter for training with PEFT.
private let ignored: Set<String> = [
  "auto_mapping", "base_model_name_or_path", "revision", "inference_mode", "task_type",
  "peft_version", "lora_dropout", "loftq_config", "eva_config",
  "corda_config", "runtime_config", "megatron_core", "qalora_group_size", "ensure_weight_tying",
]

/// The reasons why known switches are unsupported.
private let reasons = [
  "use_dora": "DoRA is not supported; train or save a plain LoRA",
  "rank_pattern": "layers have different ranks; only one rank for all is supported",
  "alpha_pattern": "layers have different alphas; only one alpha for all is supported",
]

extension JSONValue {
  /// Whether a switch with this value has no effect.
  fileprivate var isAtRest: Bool {
    switch self {
    case .null: true
    case .bool(let value): !value
    case .int, .double: number == 0
    case .string(let value): value.isEmpty
    case .array(let values): values.isEmpty
    case .object(let members): members.isEmpty
    }
  }
}
