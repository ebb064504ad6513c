/// A token of textual inversion with several vectors, which are tokens of their own: `<cat>`,
/// `<cat>_1`, `<cat>_2` and so on.
struct MultiVectorToken: Sendable {
  let id: Int
  let name: String
  /// The names of all vectors, with a space between them.
  let names: String

  /// Those among the added tokens of a tokenizer.
  static func all(in tokens: [(id: Int, token: AddedToken)]) -> [MultiVectorToken] {
    let known = Set(tokens.map(\.token.name))
    return tokens.compactMap { id, token in
      let name = token.name
      let others = (1...).lazy.map { "\(name)_\($0)" }.prefix { known.contains($0) }
      let names = [name] + others
      return names.count == 1
        ? nil : MultiVectorToken(id: id, name: name, names: names.joined(separator: " "))
    }
  }
}

extension [MultiVectorToken] {
  /// `text` with the names of all vectors in place of every token's name, as
  /// `TextualInversionLoaderMixin.maybe_convert_prompt` of diffusers.
  ///
  /// - Parameter encode: the ids of a text; a name that is no token in `text` stays.
  func writtenOut(_ text: String, encode: (String) -> [Int]) -> String {
    if isEmpty { return text }
    let ids = Set(encode(text))
    return filter { ids.contains($0.id) }.reduce(text) { text, token in
      String(
        text.unicodeScalars.replacing(token.name.unicodeScalars, with: token.names.unicodeScalars))
    }
  }
}
