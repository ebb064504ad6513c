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
