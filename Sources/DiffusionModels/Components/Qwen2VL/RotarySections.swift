/// How a head's rotary frequencies are divided among the axes of a position (`rope_scaling`).
public struct RotarySections: Codable, Equatable, Sendable {
  /// Counts of frequencies for time, row and column, in this order.
  public var mropeSection = [16, 24, 24]

  public init() {}

  /// Reads an object whose type, if it has one, is `mrope` or `default`; the two are equivalent.
  public init(from decoder: any Decoder) throws {
    let file = try decoder.container(keyedBy: CodingKeys.self)
    for key in [CodingKeys.type, .ropeType] {
      let type = try file.value(key, or: "mrope")
      guard ["mrope", "default"].contains(type) else {
        throw ConfigurationProblem(
          decoder.codingPath.map(\.stringValue).joined(separator: "."),
          "type '\(type)' is not supported; 'mrope' is")
      }
    }
    mropeSection = try file.value(.mropeSection, or: mropeSection)
  }

  public func encode(to encoder: any Encoder) throws {
    var file = encoder.container(keyedBy: CodingKeys.self)
    try file.encode("mrope", forKey: .type)
    try file.encode(mropeSection, forKey: .mropeSection)
  }

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case type
    case ropeType = "rope_type"
    case mropeSection = "mrope_section"
  }

  static let knownKeys = CodingKeys.allCases.map(\.rawValue)
}
