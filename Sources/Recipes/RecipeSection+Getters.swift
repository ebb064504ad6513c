/// The getters of the common types; without a default the key is required.
extension RecipeSection {
  /// Text.
  package func string(_ key: String, default defaultValue: String? = nil) -> String {
    value(key, .string, default: defaultValue)
  }

  /// A whole number within a range.
  package func int(
    _ key: String, in range: some RecipeRange<Int>, default defaultValue: Int? = nil
  ) -> Int {
    value(key, .int(in: range), default: defaultValue)
  }

  /// A finite number within a range.
  package func double(
    _ key: String, in range: some RecipeRange<Double>, default defaultValue: Double? = nil
  ) -> Double {
    value(key, .double(in: range), default: defaultValue)
  }

  /// `true` or `false`.
  package func bool(_ key: String, default defaultValue: Bool? = nil) -> Bool {
    value(key, .bool, default: defaultValue)
  }

  /// One of the cases of an enumeration.
  package func choice<Choice: RawRepresentable & CaseIterable>(
    _ key: String, default defaultValue: Choice? = nil
  ) -> Choice where Choice.RawValue == String {
    value(key, .choice(Choice.self), default: defaultValue)
  }

  /// A path, made absolute; a relative default starts from the recipe's folder.
  package func path(_ key: String, default defaultValue: String? = nil) -> String {
    value(key, .path, default: defaultValue.map(absolutePath))
  }

  /// A list of one kind of item.
  package func list<Item>(
    _ key: String, of kind: RecipeKind<Item>, count: some RecipeRange<Int> = 0...,
    default defaultValue: [Item]? = nil
  ) -> [Item] {
    value(key, .list(of: kind, count: count), default: defaultValue)
  }
}
