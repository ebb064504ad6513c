public import Foundation
import Foundations

/// The contents of one component's `config.json`, as diffusers or transformers writes it.
///
/// Reading is strict: a key outside `CodingKeys` and `harmlessKeys` may change the result and is an
/// error.
public protocol ModelConfiguration: Codable, Equatable, Sendable {
  /// The Python class, for example `SD3Transformer2DModel`.
  static var className: String { get }
  /// Keys that determine the network.
  static var knownKeys: [String] { get }
  /// Keys that are allowed and have no effect here.
  static var harmlessKeys: Set<String> { get }
  /// The entries that name the class on disk; diffusers and transformers use different ones.
  static var header: [String: ConfigurationHeaderValue] { get }
  /// Throws for values that are well-formed and unsupported.
  func validate() throws(ConfigurationProblem)
}

/// A value of an entry of `config.json` that names the class.
public enum ConfigurationHeaderValue: Encodable, Sendable {
  case text(String)
  case list([String])

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .text(let value): try container.encode(value)
    case .list(let values): try container.encode(values)
    }
  }
}

extension ModelConfiguration {
  /// Reads `path` strictly.
  public init(contentsOf path: String) throws(ModelError) {
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw .unreadable(path: path, reason: error.localizedDescription)
    }
    try self.init(json: data, path: path)
  }

  /// Reads the JSON object `data`; `path` names it in errors.
  public init(json data: Data, path: String) throws(ModelError) {
    let file: ConfigurationFile
    do {
      file = try JSONDecoder().decode(ConfigurationFile.self, from: data)
    } catch {
      throw .unreadable(path: path, reason: Self.reason(error))
    }
    if let found = file.className, found != Self.className {
      throw .wrongClass(path: path, expected: Self.className, found: found)
    }
    let known = Self.knownKeys
    let allowed = Self.harmlessKeys.union(known).union(commonHarmlessKeys)
    if file.keys.contains(quantizationKey) {
      throw .unsupported(
        path: path, key: quantizationKey,
        reason: "quantized weights are not read; use the bfloat16, float16 or float32 weights")
    }
    for key in file.keys where !allowed.contains(key) {
      throw .unknownKey(path: path, key: key, nearest: nearest(to: key, among: known))
    }
    do {
      self = try JSONDecoder().decode(Self.self, from: data)
    } catch let problem as ConfigurationProblem {
      throw .unsupported(path: path, key: problem.key, reason: problem.reason)
    } catch let error as DecodingError {
      throw .wrongType(path: path, key: error.keyPath, reason: Self.reason(error))
    } catch {
      throw .unreadable(path: path, reason: "\(error)")
    }
    do {
      try validate()
    } catch {
      throw .unsupported(path: path, key: error.key, reason: error.reason)
    }
  }

  /// The file's text, including the entries that name the class. Keys are sorted.
  public func json() throws -> Data {
    try JSONEncoder.indented.encode(FileContents(configuration: self))
  }

  private static func reason(_ error: any Error) -> String {
    switch error as? DecodingError {
    case .typeMismatch(_, let context), .valueNotFound(_, let context),
      .keyNotFound(_, let context), .dataCorrupted(let context):
      context.debugDescription
    default: "\(error)"
    }
  }
}

/// Entries that any diffusers or transformers file may have.
private let commonHarmlessKeys: Set<String> = [
  "_class_name", "_diffusers_version", "_name_or_path", "architectures", "model_type",
  "transformers_version", "torch_dtype", "dtype",
]

/// Keys of files with quantized weights.
private let quantizationKey = "quantization_config"

/// The keys of a file, and the class that it names.
private struct ConfigurationFile: Decodable {
  let keys: [String]
  let className: String?

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: AnyKey.self)
    keys = container.allKeys.map(\.stringValue).sorted()
    let name = try container.decodeIfPresent(String.self, forKey: AnyKey("_class_name"))
    let architectures = try container.decodeIfPresent(
      [String].self, forKey: AnyKey("architectures"))
    className = name ?? architectures?.first
  }
}

private struct FileContents<Configuration: ModelConfiguration>: Encodable {
  let configuration: Configuration

  func encode(to encoder: any Encoder) throws {
    try configuration.encode(to: encoder)
    var container = encoder.container(keyedBy: AnyKey.self)
    for (key, value) in Configuration.header.sorted(by: { $0.key < $1.key }) {
      try container.encode(value, forKey: AnyKey(key))
    }
  }
}

private struct AnyKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }

  init(_ stringValue: String) { self.stringValue = stringValue }
  init?(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { return nil }
}

extension DecodingError {
  fileprivate var keyPath: String {
    switch self {
    case .typeMismatch(_, let context), .valueNotFound(_, let context),
      .dataCorrupted(let context):
      context.codingPath.map(\.stringValue).joined(separator: ".")
    case .keyNotFound(let key, let context):
      (context.codingPath + [key]).map(\.stringValue).joined(separator: ".")
    @unknown default: ""
    }
  }
}

extension KeyedDecodingContainer {
  /// Throws a `ConfigurationProblem` for a key of the object at `key` that is neither allowed by
  /// `configuration` nor in `further`.
  func checkKeys(
    _ key: Key, _ configuration: (some ModelConfiguration).Type, further: Set<String>
  ) throws {
    try checkKeys(
      key, known: configuration.knownKeys, harmless: configuration.harmlessKeys.union(further))
  }

  /// Throws a `ConfigurationProblem` for a key of the object at `key` that is neither known nor
  /// harmless nor allowed in every file.
  func checkKeys(_ key: Key, known: [String], harmless: Set<String>) throws {
    let allowed = harmless.union(known).union(commonHarmlessKeys)
    let object = try nestedContainer(keyedBy: AnyKey.self, forKey: key)
    let unknown = object.allKeys.map(\.stringValue).sorted().first { !allowed.contains($0) }
    if let unknown {
      let near = nearest(to: unknown, among: known)
      throw ConfigurationProblem(
        "\(path(of: key)).\(unknown)",
        "unknown key" + (near.map { "; the nearest known key is '\($0)'" } ?? ""))
    }
  }

  /// The keys that lead to `key` from the top of the file, joined by dots.
  func path(of key: Key) -> String {
    (codingPath.map(\.stringValue) + [key.stringValue]).joined(separator: ".")
  }

  /// The value at `key`, or `fallback`, the default of the upstream class, where the file has none.
  func value<Value: Decodable>(_ key: Key, or fallback: Value) throws -> Value {
    try decodeIfPresent(Value.self, forKey: key) ?? fallback
  }
}

/// Throws for a count below 1, and for one that no network has, whose products may not be integers.
func checkPositive(_ counts: [(some CodingKey, Int)]) throws(ConfigurationProblem) {
  for (key, value) in counts {
    let key = key.stringValue
    if value < 1 { throw ConfigurationProblem(key, "\(value) is not a positive number") }
    if value > 1 << 24 { throw ConfigurationProblem(key, "\(value) is too large") }
  }
}

extension ModelConfiguration {
  /// Reads `config.json` of a component of a pipeline folder.
  static func read(_ component: String, of folder: String) throws(PipelineError) -> Self {
    try wrapping(PipelineError.model) { () throws(ModelError) in
      try Self(contentsOf: "\(folder)/\(component)/config.json")
    }
  }
}
