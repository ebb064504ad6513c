/// The order of tags: GenEval's six from easy to hard, then others by name.
enum TagOrder {
  private static let known = [
    "single_object", "two_object", "counting", "colors", "position", "color_attr",
  ]

  static func sorted(_ tags: some Sequence<String>) -> [String] {
    let tags = Set(tags)
    return known.filter(tags.contains) + tags.subtracting(known).sorted()
  }
}
