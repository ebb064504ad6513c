extension RecipeSection {
  /// Reports every key that was given but never asked for, here and below.
  ///
  /// - Parameter root: the whole recipe, searched for the place that a key belongs to.
  func finish(root: RecipeSection) {
    guard !isBroken else { return }
    for entry in entries where !asked.contains(entry.key) {
      reading.issues.append(RecipeIssue(entry.keyOrigin, unknown(entry.key, root)))
    }
    for child in children { child.finish(root: root) }
  }

  /// The error about an unknown key: its new name, the nearest key not given yet, the nearest key at
  /// all, the same key of another section, or all valid keys.
  private func unknown(_ key: String, _ root: RecipeSection) -> String {
    let place = path.isEmpty ? "" : " in \"\(path)\""
    if let new = reading.renamed.name(of: name(key)) {
      return "unknown key \"\(key)\"\(place); it is now \"\(new)\""
    }
    let missing = asked.filter { !isGiven($0) }
    if let near = nearest(to: key, among: missing) ?? nearest(to: key, among: asked)
      ?? root.path(ofKey: key)
    {
      return "unknown key \"\(key)\"\(place); did you mean \"\(near)\"?"
    }
    let valid = asked.isEmpty ? "it takes no keys" : "valid: " + asked.joined(separator: ", ")
    return "unknown key \"\(key)\"\(place); \(valid)"
  }

  /// The dotted path of the first key of that name that was asked for, here or below.
  private func path(ofKey key: String) -> String? {
    if asked.contains(key) { return name(key) }
    for child in children {
      if let found = child.path(ofKey: key) { return found }
    }
    return nil
  }
}
