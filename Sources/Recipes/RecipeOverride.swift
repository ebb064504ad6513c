/// A setting given on the command line as `--set a.b=value`; the value is YAML.
struct RecipeOverride {
  /// The keys from the root to the setting.
  let keys: [String]
  /// The keys joined by dots.
  let path: String
  /// The parsed value.
  let value: RecipeNode

  /// Reads `a.b=value`.
  ///
  /// - Throws: its first issue.
  init(_ argument: String) throws(RecipeIssue) {
    guard let equals = argument.firstIndex(of: "=") else {
      throw RecipeIssue(.override(path: argument), "write it as key=value, for example epochs=10")
    }
    let path = String(argument[..<equals])
    let origin = RecipeOrigin.override(path: path)
    keys = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard keys.allSatisfy({ !$0.isEmpty }) else {
      throw RecipeIssue(origin, "a part of the key is empty")
    }
    var composer = RecipeComposer { _, _ in origin }
    let value = composer.compose(String(argument[argument.index(after: equals)...]))
    if let issue = composer.issues.first { throw issue }
    self.path = path
    self.value =
      value
      ?? RecipeNode(content: .scalar(RecipeScalar(text: "", isPlain: true)), origin: origin)
  }

  /// Puts the value into the tree and makes the sections above it.
  ///
  /// A number is the index of a list's item: `rewards.0.weight=2`.
  ///
  /// - Throws: an issue when a key on the path leads to a scalar.
  func apply(to root: inout RecipeNode) throws(RecipeIssue) {
    try apply(keys[...], to: &root)
  }

  private func apply(_ rest: ArraySlice<String>, to node: inout RecipeNode) throws(RecipeIssue) {
    guard let key = rest.first else {
      node = value
      return
    }
    let origin = RecipeOrigin.override(path: path)
    switch node.content {
    case .section(var entries):
      if let index = entries.firstIndex(where: { $0.key == key }) {
        try apply(rest.dropFirst(), to: &entries[index].value)
      } else {
        var child = RecipeNode(content: .section([]), origin: origin)
        try apply(rest.dropFirst(), to: &child)
        entries.append(RecipeEntry(key: key, keyOrigin: origin, value: child))
      }
      node.content = .section(entries)
    case .list(var items):
      guard let index = Int(key), items.indices.contains(index) else {
        let valid = items.isEmpty ? "the list is empty" : "0 to \(items.count - 1) would be valid"
        throw RecipeIssue(origin, "\"\(key)\" is no place in the list at \(node.origin); \(valid)")
      }
      try apply(rest.dropFirst(), to: &items[index])
      node.content = .list(items)
    case .scalar:
      guard node.isNull else {
        throw RecipeIssue(
          origin, "there is no key \"\(key)\" inside \(node.found), given at \(node.origin)")
      }
      node = RecipeNode(content: .section([]), origin: origin)
      try apply(rest, to: &node)
    }
  }
}
