import Recipes
import Testing

struct ResolvedRecipeTests {
  /// One key of every type, read and joined into one text.
  private static func everything(_ root: RecipeSection) -> String {
    let section = root.section("section")
    let values: [Any] = [
      root.int("count", in: 0..., default: 3),
      root.double("rate", in: .any, default: 1e-5),
      root.double("whole", in: .any, default: 2),
      root.bool("on", default: true),
      root.string("name", default: "with \"quotes\", \\ and\nlines\u{7}"),
      root.string("number", default: "12"),
      root.string("word", default: "no"),
      root.string("empty", default: ""),
      root.string("unicode", default: "für 形 \u{1F600}\u{2028}"),
      root.choice("fruit", default: Fruit.darkCherry),
      root.path("model", default: "a b/c"),
      root.list("betas", of: .double(in: .any), default: [0.9, 0.999]),
      root.list("none", of: .string, default: []),
      root.optional("limit", .int(in: 0...)) as Any,
      section.int("inner", in: 0..., default: 1),
      section.list("pairs", of: .list(of: .int(in: 0...)), default: [[1, 2], []]),
      root.section("hollow").path,
      root.sections("rewards").map { reward in
        (reward.string("name"), reward.double("weight", in: .any, default: 1))
      },
    ]
    return "\(values)"
  }

  private static let text = """
    rewards:
      - name: shapes
      - name: size
        weight: 0.25
    count: 7
    rate: 0.1
    """

  @Test func `the resolved recipe reads back to the same values and the same bytes`() throws {
    for text in ["", Self.text] {
      let first = try read(text, Self.everything)
      let second = try read(first.resolved.text, Self.everything)
      #expect(second.settings == first.settings)
      #expect(second.resolved.text == first.resolved.text)
      #expect(second.resolved.differences(from: first.resolved).isEmpty)
    }
  }

  @Test func `the resolved recipe lists every value in reading order`() throws {
    let expected = """
      # The resolved recipe of this run: every setting, given or default.
      section:
        inner: 1
        pairs: [[1, 2], []]
      count: 7
      rate: 0.1
      whole: 2.0
      "on": true
      name: "with \\"quotes\\", \\\\ and\\nlines\\x07"
      number: "12"
      word: "no"
      empty: ""
      unicode: "für 形 \u{1F600}\\u2028"
      fruit: dark_cherry
      model: "/recipes/a b/c"
      betas: [0.9, 0.999]
      none: []
      limit: null
      hollow: {}
      rewards:
        -
          name: shapes
          weight: 1.0
        -
          name: size
          weight: 0.25

      """
    #expect(try read(Self.text, Self.everything).resolved.text == expected)
  }

  @Test func `floating-point numbers keep every bit`() throws {
    var values: [Double] = [
      1e-5, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 0.1 + 0.2, -0.0, 1 / 3, 1e16,
    ]
    var generator = SystemRandomNumberGenerator()
    while values.count < 500 {
      let value = Double(bitPattern: generator.next())
      if value.isFinite { values.append(value) }
    }
    let resolved = try read("") { $0.list("x", of: .double(in: .any), default: values) }.resolved
    let again = try read(resolved.text) { $0.list("x", of: .double(in: .any)) }.settings
    #expect(again.map(\.bitPattern) == values.map(\.bitPattern))
  }

  @Test func `differences name the keys that changed, came and went`() throws {
    let before = try read("a: 1\ns: {b: x, d: 1}") { root in
      _ = (root.int("a", in: 0...), root.section("s").string("b"), root.section("s"))
      _ = root.section("s").int("d", in: 0...)
    }
    let after = try read("a: 2\ns: {b: x}\nc: true") { root in
      _ = (root.int("a", in: 0...), root.section("s").string("b"), root.bool("c"))
    }
    #expect(
      after.resolved.differences(from: before.resolved).map(\.description) == [
        "a: 1 -> 2", "c: absent -> true", "s.d: 1 -> absent",
      ])
  }
}
