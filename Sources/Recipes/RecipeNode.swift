/// A value of a recipe as written, without a type.
struct RecipeNode {
  /// The three forms of a YAML value.
  enum Content {
    case scalar(RecipeScalar)
    case list([RecipeNode])
    case section([RecipeEntry])
  }

  var content: Content
  var origin: RecipeOrigin

  /// The value in words, for "expected …, found …".
  var found: String {
    switch content {
    case .scalar(let scalar): scalar.found
    case .list(let items): "a list of \(items.count)"
    case .section: "a section"
    }
  }

  /// True for `null`, `~` or nothing after the colon.
  var isNull: Bool {
    if case .scalar(let scalar) = content { scalar.isNull } else { false }
  }
}

/// One `key: value` of a section.
struct RecipeEntry {
  let key: String
  let keyOrigin: RecipeOrigin
  var value: RecipeNode
}
