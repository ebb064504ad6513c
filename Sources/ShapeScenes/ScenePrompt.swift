package import ImageFiles

/// One prompt and the objects that its image must show, in GenEval's metadata format.
///
///     {"tag": "position", "include": [{"class": "ring", "count": 1},
///      {"class": "circle", "count": 1, "position": ["left of", 0]}],
///      "prompt": "a photo of a circle left of a ring"}
package struct ScenePrompt: Codable, Hashable, Sendable {
  /// The skill that the prompt tests: GenEval's six tags.
  package enum Tag: String, CaseIterable, Codable, Hashable, Sendable {
    case singleObject = "single_object"
    case twoObject = "two_object"
    case counting
    case colors
    case position
    case colorAttribution = "color_attr"
  }

  /// Objects of one kind that the image must show.
  package struct Requirement: Hashable, Sendable {
    package var shape: SceneShape
    /// How many, 1...
    package var count: Int
    /// Any color when nil.
    package var color: SceneColor?
    /// The relation of these objects to those of another requirement.
    package var position: Position?

    package init(
      _ shape: SceneShape, count: Int = 1, color: SceneColor? = nil, position: Position? = nil
    ) {
      self.shape = shape
      self.count = count
      self.color = color
      self.position = position
    }
  }

  /// A relation to the objects of the requirement with index `reference`.
  package struct Position: Hashable, Sendable {
    package var relation: SpatialRelation
    package var reference: Int

    package init(_ relation: SpatialRelation, _ reference: Int) {
      self.relation = relation
      self.reference = reference
    }
  }

  /// The image must show fewer than `count` objects of the shape.
  package struct Limit: Hashable, Sendable {
    package var shape: SceneShape
    package var count: Int

    package init(_ shape: SceneShape, count: Int) {
      self.shape = shape
      self.count = count
    }
  }

  package var tag: Tag
  package var include: [Requirement]
  package var exclude: [Limit]?
  /// The text for the model.
  package var prompt: String

  package init(tag: Tag, include: [Requirement], exclude: [Limit]? = nil, prompt: String) {
    self.tag = tag
    self.include = include
    self.exclude = exclude
    self.prompt = prompt
  }

  /// The total number of objects that the image must show.
  package var objectCount: Int { include.reduce(0) { $0 + $1.count } }
}

extension ScenePrompt.Requirement: Codable {
  private enum CodingKeys: String, CodingKey {
    case shape = "class"
    case count, color, position
  }
}

extension ScenePrompt.Limit: Codable {
  private enum CodingKeys: String, CodingKey {
    case shape = "class"
    case count
  }
}

/// GenEval's form: `["left of", 0]`.
extension ScenePrompt.Position: Codable {
  package init(from decoder: any Decoder) throws {
    var list = try decoder.unkeyedContainer()
    relation = try list.decode(SpatialRelation.self)
    reference = try list.decode(Int.self)
  }

  package func encode(to encoder: any Encoder) throws {
    var list = encoder.unkeyedContainer()
    try list.encode(relation)
    try list.encode(reference)
  }
}
