internal import Foundations
import ImageFiles

/// Draws pairs of images before and after an edit.
package enum EditLayout {
  /// The smallest and the largest distance of a drawn move, in pixels.
  static let moves: ClosedRange<Float> = 6...11
  /// The number of objects before the edit.
  static let objectCounts = [2, 2, 3]

  /// A random scene that the edit can be made in, and the scene after it. All that the edit does
  /// not name is random and equal in both.
  package static func scenes(
    for edit: SceneEdit, using generator: inout some RandomNumberGenerator
  ) -> (before: Scene, after: Scene) {
    while true {
      let before = scene(with: edit, using: &generator)
      if let after = scene(after: edit, in: before, using: &generator) { return (before, after) }
    }
  }

  /// A random scene of objects of different classes.
  package static func scene(using generator: inout some RandomNumberGenerator) -> Scene {
    let count = generator.pick(objectCounts)
    return scene(Array(generator.shuffled(SceneShape.allCases)[..<count]), using: &generator)
  }

  /// The scene after an edit; nil where it cannot be made: without such an object, without a place
  /// for an object, or with a color that the object has.
  package static func scene(
    after edit: SceneEdit, in before: Scene, using generator: inout some RandomNumberGenerator
  ) -> Scene? {
    var after = before
    let index = before.objects.firstIndex { $0.shape == edit.shape }
    switch edit {
    case .add(let shape, let color):
      guard index == nil else { return nil }
      // The object is as large as the others, so that its place is the only thing to choose.
      let radius = generator.uniform(SceneLayout.radii(for: before.objects.count + 1))
      var object = SceneObject(
        shape, color, x: 0, y: 0, radius: radius, brightness: generator.uniform(0.9...1.04))
      for _ in 0..<24 {
        SceneLayout.place(&object, using: &generator)
        guard before.objects.allSatisfy({ SceneLayout.isApart($0.box, object.box) }) else {
          continue
        }
        after.objects.append(object)
        return after
      }
      return nil
    case .color(_, let color):
      guard let index, before.objects[index].color != color else { return nil }
      after.objects[index].color = color
      return after
    case .remove:
      guard let index else { return nil }
      after.objects.remove(at: index)
      return after
    case .move(_, let direction):
      guard let index else { return nil }
      let offset = direction.unit * generator.uniform(moves)
      after.objects[index].centerX += offset.x
      after.objects[index].centerY += offset.y
      let box = after.objects[index].box
      let isFree = before.objects.indices.allSatisfy {
        $0 == index || SceneLayout.isApart(before.objects[$0].box, box)
      }
      return isFree && SceneLayout.isInside(box) ? after : nil
    }
  }

  /// A random scene with the object that the edit names, or without it for an edit that adds it.
  private static func scene(
    with edit: SceneEdit, using generator: inout some RandomNumberGenerator
  ) -> Scene {
    let others = generator.shuffled(SceneShape.allCases.filter { $0 != edit.shape })
    let count = generator.pick(objectCounts)
    let shapes =
      edit.kind == .add
      ? Array(others[..<count])
      : generator.shuffled([edit.shape] + others[..<(count - 1)])
    return scene(shapes, using: &generator)
  }

  private static func scene(
    _ shapes: [SceneShape], using generator: inout some RandomNumberGenerator
  ) -> Scene {
    SceneLayout.scene(
      for: ScenePrompt(
        tag: .singleObject, include: shapes.map { ScenePrompt.Requirement($0) }, prompt: ""),
      using: &generator)
  }
}
