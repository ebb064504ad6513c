package import Foundations
package import ImageFiles

/// What an image must show: the metadata of a GenEval prompt (arXiv 2310.11513).
///
///     {"tag": "position", "prompt": "a photo of a cow right of a laptop",
///      "include": [{"class": "laptop", "count": 1},
///                  {"class": "cow", "count": 1, "position": ["right of", 0]}]}
package struct GenEvalPrompt: Sendable, Equatable {
  /// Objects of one class that the image must show.
  package struct Requirement: Sendable, Equatable {
    package var label: String
    /// How many, 1...
    package var count: Int
    /// Any color when nil.
    package var color: String?
    /// The relation of each object to each object of an earlier requirement.
    package var position: Position?

    package init(
      _ label: String, count: Int = 1, color: String? = nil, position: Position? = nil
    ) {
      self.label = label
      self.count = count
      self.color = color
      self.position = position
    }
  }

  /// A relation to the objects of the requirement with index `reference`.
  package struct Position: Sendable, Equatable {
    package var relation: SpatialRelation
    package var reference: Int

    package init(_ relation: SpatialRelation, _ reference: Int) {
      self.relation = relation
      self.reference = reference
    }
  }

  /// The image must show fewer than `count` objects of the class.
  package struct Limit: Sendable, Equatable {
    package var label: String
    package var count: Int

    package init(_ label: String, count: Int) {
      self.label = label
      self.count = count
    }
  }

  /// What the prompt tests, such as `counting`.
  package var tag: String
  package var include: [Requirement]
  package var exclude: [Limit]

  package init(tag: String, include: [Requirement], exclude: [Limit] = []) {
    self.tag = tag
    self.include = include
    self.exclude = exclude
  }
}

extension GenEvalPrompt {
  /// What is wrong with the metadata.
  package struct Fault: Error, Equatable {
    package let reason: String
  }

  /// Reads the metadata of a prompt.
  ///
  /// - Throws: ``Fault`` that names the key.
  package init(_ metadata: [String: JSONValue]) throws(Fault) {
    guard let tag = metadata["tag"]?.string else { throw Fault(reason: "tag is missing") }
    try Self.checkKeys(metadata)
    guard let items = metadata["include"]?.array, !items.isEmpty else {
      throw Fault(reason: "include is missing or empty")
    }
    self.init(tag: tag, include: [])
    for (index, item) in items.enumerated() {
      let place = "include[\(index)]"
      var requirement = Requirement(try Self.label(item, place), count: try Self.count(item, place))
      if let color = item["color"], color != .null {
        guard let name = color.string else { throw Fault(reason: "\(place).color is no text") }
        requirement.color = name
      }
      if let position = item["position"], position != .null {
        requirement.position = try Position(position, place, before: index)
      }
      guard !include.contains(where: { $0.label == requirement.label }) else {
        // Both entries would be judged on the same objects.
        throw Fault(reason: "\(place).class is \(requirement.label) again")
      }
      include.append(requirement)
    }
    for (index, item) in (metadata["exclude"]?.array ?? []).enumerated() {
      let place = "exclude[\(index)]"
      exclude.append(Limit(try Self.label(item, place), count: try Self.count(item, place)))
    }
  }

  /// Checks that `include` and `exclude` are lists of objects with known keys, since an unknown key
  /// would be a requirement without effect.
  ///
  /// - Throws: ``Fault`` that names the key.
  package static func checkKeys(_ metadata: [String: JSONValue]) throws(Fault) {
    let lists = [
      ("include", ["class", "count", "color", "position"]), ("exclude", ["class", "count"]),
    ]
    for (key, known) in lists {
      guard let list = metadata[key], list != .null else { continue }
      guard let items = list.array else {
        throw Fault(reason: "\(key) is no list; write [{\"class\": \"dog\", \"count\": 1}]")
      }
      for (index, item) in items.enumerated() {
        let place = "\(key)[\(index)]"
        guard let members = item.members else { throw Fault(reason: "\(place) is no object") }
        guard let other = members.first(where: { !known.contains($0.key) }) else { continue }
        throw Fault(
          reason: "\(place) has the key \"\(other.key)\"; there is "
            + known.joined(separator: ", "))
      }
    }
  }

  private static func label(_ item: JSONValue, _ place: String) throws(Fault) -> String {
    guard let label = item["class"]?.string, !label.isEmpty else {
      throw Fault(reason: "\(place).class is missing")
    }
    return label
  }

  private static func count(_ item: JSONValue, _ place: String) throws(Fault) -> Int {
    guard let count = item["count"]?.int, count >= 1 else {
      throw Fault(reason: "\(place).count is no number above 0")
    }
    return count
  }
}

extension GenEvalPrompt.Position {
  /// Reads `["right of", 0]`.
  fileprivate init(
    _ value: JSONValue, _ place: String, before index: Int
  ) throws(GenEvalPrompt.Fault) {
    let items = value.array ?? []
    let relations = SpatialRelation.allCases.map(\.rawValue).joined(separator: ", ")
    guard items.count == 2, let relation = items[0].string.flatMap(SpatialRelation.init) else {
      throw .init(reason: "\(place).position is not one of \(relations) with an index")
    }
    guard let reference = items[1].int, (0..<index).contains(reference) else {
      throw .init(reason: "\(place).position names no earlier entry of include")
    }
    self.init(relation, reference)
  }
}
