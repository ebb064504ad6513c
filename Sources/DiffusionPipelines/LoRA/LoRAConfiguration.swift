import Foundation
import TorchNN

/// `adapter_config.json` of PEFT's LoRA.
///
/// PEFT has dozens of switches. Those that change the result must be at rest (null, false, 0 or
/// empty); those that only matter in training are ignored.
struct LoRAConfiguration {
  static let fileName = "adapter_config.json"

  var rank: Int
  var alpha: Double
  /// nil when the file selects layers by a regular expression.
  var targets: [String]?

  init(_ plan: AdapterPlan) {
    rank = plan.rank
    alpha = plan.alpha
    targets = plan.targets
  }

  init(path: String) throws(PipelineError) {
    let entries: [String: JSONValue] = try reading(path) {
      try JSONDecoder().decode(
        [String: JSONValue].self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    }
    guard entries["peft_type"] == .text("LORA") else {
      throw .unsupported(path: path, key: "peft_type", reason: "only LORA is known")
    }
    guard case .number(let rank)? = entries["r"], rank >= 1, rank == rank.rounded() else {
      throw .unsupported(path: path, key: "r", reason: "is not a positive whole number")
    }
    guard case .number(let alpha)? = entries["lora_alpha"], alpha > 0 else {
      throw .unsupported(path: path, key: "lora_alpha", reason: "is not a positive number")
    }
    guard entries["bias"] ?? .text("none") == .text("none") else {
      throw .unsupported(path: path, key: "bias", reason: "only 'none' is known")
    }
    self.rank = Int(rank)
    self.alpha = alpha
    targets = try Self.targets(entries["target_modules"], path: path)
    let read: Set<String> = ["peft_type", "r", "lora_alpha", "bias", "target_modules"]
    for (key, value) in entries.sorted(by: { $0.key < $1.key })
    where !read.contains(key) && !ignored.contains(key) && !value.isAtRest {
      throw .unsupported(path: path, key: key, reason: "is set, and is not known")
    }
  }

  private static func targets(
    _ value: JSONValue?, path: String
  ) throws(PipelineError) -> [String]? {
    switch value {
    case .text: return nil
    case .list(let values):
      var targets: [String] = []
      for value in values {
        guard case .text(let target) = value else { break }
        targets.append(target)
      }
      if targets.count == values.count { return targets }
    default: break
    }
    throw .unsupported(path: path, key: "target_modules", reason: "is not a list of names")
  }

  /// The file's text.
  func json(baseModel: String?) throws -> Data {
    try prettyJSON(
      settings.merging(
        [
          "peft_type": .text("LORA"), "inference_mode": .boolean(true), "task_type": .null,
          "base_model_name_or_path": baseModel.map(JSONValue.text) ?? .null,
        ]
      ) { $1 })
  }

  /// The settings as diffusers looks for them in the header of the weights file, where it selects
  /// those with the prefix of the weights.
  func headerText(prefix: String) throws -> String {
    let entries = settings.map { (prefix + $0.key, $0.value) }
    let data = try prettyJSON(Dictionary(uniqueKeysWithValues: entries))
    return String(decoding: data, as: UTF8.self)
  }

  private var settings: [String: JSONValue] {
    [
      "r": .number(Double(rank)), "lora_alpha": .number(alpha),
      "target_modules": .list((targets ?? []).map(JSONValue.text)), "bias": .text("none"),
      "lora_dropout": .number(0), "fan_in_fan_out": .boolean(false),
      "init_lora_weights": .text("gaussian"), "use_rslora": .boolean(false),
      "use_dora": .boolean(false),
    ]
  }
}

/// What names things, or matters only while training with PEFT.
private let ignored: Set<String> = [
  "auto_mapping", "base_model_name_or_path", "revision", "inference_mode", "task_type",
  "peft_version", "lora_dropout", "init_lora_weights", "loftq_config", "eva_config",
  "corda_config", "runtime_config", "megatron_core", "qalora_group_size", "ensure_weight_tying",
]

/// A JSON value.
enum JSONValue: Codable, Equatable {
  case null
  case boolean(Bool)
  case number(Double)
  case text(String)
  case list([JSONValue])
  case object([String: JSONValue])

  /// Whether a switch with this value does nothing.
  var isAtRest: Bool {
    switch self {
    case .null: true
    case .boolean(let value): !value
    case .number(let value): value == 0
    case .text(let value): value.isEmpty
    case .list(let values): values.isEmpty
    case .object(let values): values.isEmpty
    }
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try Self.matching(Bool.self, container) {
      self = .boolean(value)
    } else if let value = try Self.matching(Double.self, container) {
      self = .number(value)
    } else if let value = try Self.matching(String.self, container) {
      self = .text(value)
    } else if let value = try Self.matching([JSONValue].self, container) {
      self = .list(value)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }

  /// The value if it has this type.
  private static func matching<Value: Decodable>(
    _ type: Value.Type, _ container: any SingleValueDecodingContainer
  ) throws -> Value? {
    do {
      return try container.decode(type)
    } catch DecodingError.typeMismatch {
      return nil
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .boolean(let value): try container.encode(value)
    case .number(let value): try container.encode(value)
    case .text(let value): try container.encode(value)
    case .list(let values): try container.encode(values)
    case .object(let values): try container.encode(values)
    }
  }
}
