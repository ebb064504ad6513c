/// A change of one object in an image of the `shapes-edit` task. The objects of such an image are
/// of different classes, so that a class names one of them.
package enum SceneEdit: Hashable, Sendable {
  /// The object of a class gets a color.
  case color(SceneShape, SceneColor)
  /// The object of a class goes away.
  case remove(SceneShape)
  /// An object of a class that is not in the image appears anywhere.
  case add(SceneShape, SceneColor)
  /// The object of a class moves.
  case move(SceneShape, Direction)

  /// Where an object moves, in the image.
  package enum Direction: String, CaseIterable, Codable, Hashable, Sendable {
    case left, right, up, down

    /// The unit vector, y down.
    var unit: SIMD2<Float> {
      switch self {
      case .left: [-1, 0]
      case .right: [1, 0]
      case .up: [0, -1]
      case .down: [0, 1]
      }
    }
  }

  /// The kind of the change: the tag of its prompts.
  package enum Kind: String, CaseIterable, Codable, Hashable, Sendable {
    case color, remove, add, move
  }

  package var kind: Kind {
    switch self {
    case .color: .color
    case .remove: .remove
    case .add: .add
    case .move: .move
    }
  }

  /// The class of the object that changes.
  package var shape: SceneShape {
    switch self {
    case .color(let shape, _), .remove(let shape), .add(let shape, _), .move(let shape, _): shape
    }
  }
}

/// `{"kind": "color", "class": "square", "color": "red"}`; a move has a `direction`.
extension SceneEdit: Codable {
  private enum CodingKeys: String, CodingKey {
    case kind, color, direction
    case shape = "class"
  }

  package init(from decoder: any Decoder) throws {
    let file = try decoder.container(keyedBy: CodingKeys.self)
    let shape = try file.decode(SceneShape.self, forKey: .shape)
    switch try file.decode(Kind.self, forKey: .kind) {
    case .color: self = .color(shape, try file.decode(SceneColor.self, forKey: .color))
    case .remove: self = .remove(shape)
    case .add: self = .add(shape, try file.decode(SceneColor.self, forKey: .color))
    case .move: self = .move(shape, try file.decode(Direction.self, forKey: .direction))
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var file = encoder.container(keyedBy: CodingKeys.self)
    try file.encode(kind, forKey: .kind)
    try file.encode(shape, forKey: .shape)
    switch self {
    case .color(_, let color), .add(_, let color): try file.encode(color, forKey: .color)
    case .move(_, let direction): try file.encode(direction, forKey: .direction)
    case .remove: break
    }
  }
}
