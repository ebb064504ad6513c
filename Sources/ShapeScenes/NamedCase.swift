extension RawRepresentable where Self: CaseIterable, RawValue == String {
  /// Decodes a case by its name; the error lists all of them.
  fileprivate init(named decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let name = try container.decode(String.self)
    guard let value = Self(rawValue: name) else {
      throw DecodingError.dataCorruptedError(
        in: container,
        debugDescription: "\(name) is none of "
          + Self.allCases.map(\.rawValue).joined(separator: ", "))
    }
    self = value
  }
}

extension SceneShape {
  package init(from decoder: any Decoder) throws { try self.init(named: decoder) }
}

extension SceneColor {
  package init(from decoder: any Decoder) throws { try self.init(named: decoder) }
}

extension SceneEdit.Kind {
  package init(from decoder: any Decoder) throws { try self.init(named: decoder) }
}

extension SceneEdit.Direction {
  package init(from decoder: any Decoder) throws { try self.init(named: decoder) }
}

extension ScenePrompt.Tag {
  package init(from decoder: any Decoder) throws { try self.init(named: decoder) }
}
