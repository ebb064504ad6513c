internal import Foundations
import ImageFiles

/// Finds places for the objects of a prompt.
struct SceneLayout {
  /// The number of objects that always fit into an image of ``SceneRenderer/size``.
  static let maximumObjects = 4

  /// The smallest gap between the boxes of two objects, in pixels.
  static let gap: Float = 2
  /// The smallest gap between a box and the image's edge, in pixels.
  static let margin: Float = 0.8
  /// The smallest strength of a drawn relation, above GenEval's ``SpatialRelation/threshold``.
  static let relationStrength: Float = 0.62

  /// A scene that satisfies the prompt; everything else is random.
  static func scene(
    for prompt: ScenePrompt, using generator: inout some RandomNumberGenerator
  ) -> Scene {
    precondition(prompt.formFault == nil, "a prompt that can be judged can be drawn")
    while true {
      if let objects = attempt(prompt, using: &generator) {
        return Scene(objects, backgroundLevel: generator.uniform(0.6...1.3))
      }
    }
  }

  /// Whether one of many attempts places all objects of a prompt.
  static func hasScene(for prompt: ScenePrompt) -> Bool {
    var generator = SplitMix64(seed: 0)
    return (0..<10_000).contains { _ in attempt(prompt, using: &generator) != nil }
  }

  /// One attempt to place all objects; nil when one of them does not fit.
  private static func attempt(
    _ prompt: ScenePrompt, using generator: inout some RandomNumberGenerator
  ) -> [SceneObject]? {
    let radii = radii(for: prompt.objectCount)
    var objects: [SceneObject] = []
    var owners: [Int] = []
    for (index, requirement) in prompt.include.enumerated() {
      for _ in 0..<requirement.count {
        var object = SceneObject(
          requirement.shape, requirement.color ?? generator.pick(SceneColor.allCases),
          x: 0, y: 0, radius: generator.uniform(radii),
          brightness: generator.uniform(0.9...1.04))
        var tries = 0
        repeat {
          tries += 1
          if tries > 24 { return nil }
          place(&object, using: &generator)
        } while !objects.allSatisfy { isApart($0.box, object.box) }
        objects.append(object)
        owners.append(index)
      }
    }
    return holdsRelations(prompt, objects, owners) ? objects : nil
  }

  /// Radii at which this number of objects fits, in pixels.
  static func radii(for count: Int) -> ClosedRange<Float> {
    switch count {
    case 1: 5...6.8
    case 2: 4.8...6.2
    case 3: 4.7...5.8
    default: 4.6...5.4
    }
  }

  /// Places an object anywhere inside the image.
  static func place(
    _ object: inout SceneObject, using generator: inout some RandomNumberGenerator
  ) {
    let size = Float(SceneRenderer.size)
    let box = object.box
    let x = margin + box.halfWidth
    let y = margin + box.halfHeight
    object.centerX = generator.uniform(x...(size - x))
    object.centerY = generator.uniform(y...(size - y))
  }

  /// Whether a box lies inside the image.
  static func isInside(_ box: BoundingBox) -> Bool {
    let size = Float(SceneRenderer.size)
    return box.centerX - box.halfWidth >= margin && box.centerX + box.halfWidth <= size - margin
      && box.centerY - box.halfHeight >= margin && box.centerY + box.halfHeight <= size - margin
  }

  /// Whether two objects have a gap between them.
  static func isApart(_ first: BoundingBox, _ second: BoundingBox) -> Bool {
    (first.centerX - second.centerX).magnitude >= first.halfWidth + second.halfWidth + gap
      || (first.centerY - second.centerY).magnitude >= first.halfHeight + second.halfHeight + gap
  }

  private static func holdsRelations(
    _ prompt: ScenePrompt, _ objects: [SceneObject], _ owners: [Int]
  ) -> Bool {
    for (subject, owner) in zip(objects, owners) {
      guard let position = prompt.include[owner].position else { continue }
      for (reference, other) in zip(objects, owners) where other == position.reference {
        let strength = position.relation.strength(subject: subject.box, reference: reference.box)
        if strength < relationStrength { return false }
      }
    }
    return true
  }
}
