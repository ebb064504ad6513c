import Foundations
import Recipes
import TestSupport
import Testing

struct RecipeStrictnessTests {
  @Test func `an unknown key is an error with its place and the nearest valid key`() {
    let text = "epochs: 3\noptimizer:\n  learing_rate: 1\n"
    let found = problems(text) { root in
      _ = root.int("epochs", in: 1...)
      _ = root.section("optimizer").double("learning_rate", in: .above(0), default: 1)
    }
    #expect(
      found == [
        #"r.yaml:3:3: unknown key "learing_rate" in "optimizer"; did you mean "learning_rate"?"#
      ])
  }

  @Test func `the error about an unknown key unlike all others lists the valid ones`() {
    let found = problems("colour: red") { root in
      _ = root.int("epochs", in: 1..., default: 1)
      _ = root.int("seed", in: 0..., default: 0)
    }
    #expect(found == [#"r.yaml:1:1: unknown key "colour"; valid: epochs, seed"#])
  }

  @Test func `the error about a key of another section names that section`() {
    let found = problems("learning_rate: 1\noptimizer: {}") { root in
      _ = root.int("seed", in: 0..., default: 0)
      _ = root.section("optimizer").double("learning_rate", in: .any, default: 1)
    }
    #expect(
      found == [
        #"r.yaml:1:1: unknown key "learning_rate"; did you mean "optimizer.learning_rate"?"#
      ])
  }

  @Test func `a key that is read twice is reported once, and a section stays the same`() throws {
    let found = problems("a: x\ns: {b: 1, c: 2}") { root in
      _ = (root.int("a", in: 0...), root.int("a", in: 0...), root.bool("missing"))
      _ = (root.bool("missing"), root.section("s").int("b", in: 0...))
      _ = root.section("s").int("c", in: 0...)
    }
    #expect(found.count == 2, "\(found)")
  }

  @Test func `all errors of a recipe are reported at once, from top to bottom`() {
    let text = "b: x\na: y\nsection:\n  c: 9\n  unknown: 1\n"
    let found = problems(text, set: ["d=z"]) { root in
      let section = root.section("section")
      _ = section.int("c", in: 0...5)
      _ = root.int("a", in: 0...)
      _ = root.bool("b")
      _ = root.int("d", in: 0...)
      _ = root.string("name")
    }
    #expect(
      found == [
        #"r.yaml:1:1: name: is required and missing"#,
        #"r.yaml:1:4: b: expected true or false, found the text "x""#,
        #"r.yaml:2:4: a: expected a whole number, found the text "y""#,
        #"r.yaml:4:6: section.c: must be between 0 and 5, found 9"#,
        #"r.yaml:5:3: unknown key "unknown" in "section"; valid: c"#,
        #"--set d: expected a whole number, found the text "z""#,
      ])
  }

  @Test func `a missing key names its whole path`() {
    let found = problems("a: {b: {}}") { root in
      _ = root.section("a").section("b").int("c", in: 0...)
    }
    #expect(found == ["r.yaml:1:5: a.b.c: is required and missing"])
  }

  @Test(arguments: [
    ("a: 1\na: 2", "given more than once in one section"),
    ("1: a\n\"1\": b", "\"1\" is given twice in one section"),
    ("a: &x 1\nb: *x", "anchors and aliases are not allowed"),
    ("a: *x", "anchors and aliases are not allowed"),
    ("a: {<<: {b: 1}}", "merge keys (<<) are not allowed"),
    ("a: !!str 1", "explicit tags are not allowed"),
    ("a: !custom {b: 1}", "explicit tags are not allowed"),
    ("[a]: 1", "a key must be text"),
    ("- a\n- b", "expected a section of key: value lines, found a list of 2"),
    ("just text", "expected a section of key: value lines"),
    ("a: 1\n---\nb: 2", "not readable as YAML"),
    ("a: [1, 2", "not readable as YAML"),
    ("a: \"open", "not readable as YAML"),
    ("\ta: 1", "not readable as YAML"),
    ("a: \u{1}", "not readable as YAML"),
  ])
  func `an ambiguous or unreadable recipe is refused`(_ text: String, _ part: String) {
    let found = problems(text) { root in
      for key in ["a", "b", "c"] { _ = root.shape(of: key) }
    }
    #expect(found.contains { $0.hasPrefix("r.yaml:") && $0.contains(part) }, "\(found)")
  }

  @Test func `nesting that no recipe has is refused`() {
    let text = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
    let found = problems("a: " + text) { _ = $0.shape(of: "a") }
    #expect(found.contains { $0.contains("nested deeper than") })
  }

  @Test func `a setting without effect is a warning`() throws {
    let recipe = try read("beta: 1\nweighting: none\nclip: 2") { root in
      root.unused("beta", because: "weighting is none")
      root.unused("gamma", because: "weighting is none")
      _ = root.string("weighting")
      root.warn("clip", "is larger than any advantage")
      _ = root.int("clip", in: 0...)
    }
    #expect(
      recipe.warnings.map(\.description) == [
        "r.yaml:1:1: beta: has no effect: weighting is none",
        "r.yaml:3:1: clip: is larger than any advantage",
      ])
  }

  @Test func `settings that contradict each other are reported at the key`() {
    let found = problems("low: 3\nhigh: 2") { root in
      let (low, high) = (root.int("low", in: 0...), root.int("high", in: 0...))
      if low > high { root.report("high", "must be at least low, \(low)") }
    }
    #expect(found == ["r.yaml:2:7: high: must be at least low, 3"])
  }

  @Test func `nothing below a section of the wrong type is reported`() {
    let found = problems("a: 1") { root in
      let section = root.section("a")
      _ = section.int("x", in: 0...)
      _ = section.section("y").int("z", in: 0...)
      section.report("x", "is wrong")
      section.warn("x", "is odd")
    }
    #expect(found == ["r.yaml:1:4: a: expected a section, found 1"])
  }

  @Test func `a file is read, and its absence or encoding named`() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/r.yaml"
      #expect(throws: RecipeError.self) { try RecipeDocument(path: path) }
      try AtomicFile.write([0x61, 0x3A, 0x20, 0xFF], to: path)
      #expect(throws: RecipeError.self) { try RecipeDocument(path: path) }
      try AtomicFile.write("model: x\n", to: path)
      let model = try RecipeDocument(path: path).read { $0.path("model") }.settings
      #expect(model.hasSuffix("/x") && model.hasPrefix("/"))
    }
  }
}
