internal import Foundations

extension RecipeSection {
  /// Reports every given key that no getter has read, here and below.
  ///
  /// - Parameter root: the whole recipe, which is searched for the section of a misplaced key.
  func finish(root: RecipeSection) {
    guard !isBroken else { return }
    for entry in entries where !readKeys.contains(entry.key) {
      reading.issues.append(RecipeIssue(entry.keyOrigin, unknown(entry.key, root)))
    }
    for child in children { child.finish(root: root) }
  }

  /// The error about an unknown key: its new name, else the nearest key not given, else the nearest
  /// key, else the same key of another section, else all valid keys.
  private func unknown(_ key: String, _ root: RecipeSection) -> String {
    let place = path.isEmpty ? "" : " in \"\(path)\""
    if let new = reading.renamed.name(of: name(key)) {
      return "unknown key \"\(key)\"\(place); it is now \"\(new)\""
    }
    let missing = readKeys.filter { !isGiven($0) }
    if let near = nearest(to: key, among: missing) ?? nearest(to: key, among: readKeys)
      ?? root.path(ofKey: key)
    {
      return "unknown key \"\(key)\"\(place); did you mean \"\(near)\"?"
    }
    let valid = readKeys.isEmpty ? "it takes no keys" : "valid: " + readKeys.joined(separator: ", ")
    return "unknown key \"\(key)\"\(place); \(valid)"
  }

  /// The dotted path of the first read key of that name, here or below.
  private func path(ofKey key: String) -> String? {
    if readKeys.contains(key) { return name(key) }
    for child in children {
      if let found = child.path(ofKey: key) { return found }
    }
    return nil
  }
}
