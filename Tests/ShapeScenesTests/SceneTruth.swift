import ImageFiles
import ShapeScenes

/// Whether the scene satisfies the prompt exactly, from its objects and not from pixels; nil where
/// a relation is too near its threshold for pixels to decide.
func isTrue(_ prompt: ScenePrompt, of scene: Scene) -> Bool? {
  guard scene.objects.count == prompt.objectCount else { return false }
  var doubt = false
  let isSatisfied = permutations(Array(scene.objects)).contains { objects in
    var remaining = objects[...]
    let groups = prompt.include.map { requirement -> [SceneObject] in
      defer { remaining = remaining.dropFirst(requirement.count) }
      return Array(remaining.prefix(requirement.count))
    }
    for (requirement, group) in zip(prompt.include, groups) {
      for object in group {
        if object.shape != requirement.shape { return false }
        if let color = requirement.color, color != object.color { return false }
        guard let position = requirement.position else { continue }
        for reference in groups[position.reference] {
          let strength = position.relation.strength(subject: object.box, reference: reference.box)
          if abs(strength - SpatialRelation.threshold) < 0.06 { doubt = true }
          if strength <= SpatialRelation.threshold { return false }
        }
      }
    }
    return true
  }
  return doubt ? nil : isSatisfied
}

private func permutations<Element>(_ elements: [Element]) -> [[Element]] {
  guard let first = elements.first else { return [[]] }
  return permutations(Array(elements.dropFirst())).flatMap { rest in
    (0...rest.count).map { index in
      var result = rest
      result.insert(first, at: index)
      return result
    }
  }
}
