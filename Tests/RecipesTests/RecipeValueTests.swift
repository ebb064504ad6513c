import Recipes
import Testing

struct RecipeValueTests {
  @Test func `every type is read from its text`() throws {
    let text = """
      count: 12
      negative: -3
      grouped: 10_000
      rate: 3e-4
      whole: 2
      name: a plain text
      quoted: "12"
      date: 2026-01-02
      on: true
      off: False
      fruit: dark_cherry
      betas: [0.9, 0.999]
      words:
        - one
        - two
      """
    let recipe = try read(text) { root in
      #expect(root.int("count", in: 1...) == 12)
      #expect(root.int("negative", in: ...0) == -3)
      #expect(root.int("grouped", in: 0..<20_000) == 10_000)
      #expect(root.double("rate", in: .above(0)) == 3e-4)
      #expect(root.double("whole", in: 0...2) == 2)
      #expect(root.string("name") == "a plain text")
      #expect(root.string("quoted") == "12")
      #expect(root.string("date") == "2026-01-02")
      #expect(root.bool("on"))
      #expect(!root.bool("off"))
      #expect(root.choice("fruit") as Fruit == .darkCherry)
      #expect(root.list("betas", of: .double(in: 0..<1), count: 2...2) == [0.9, 0.999])
      #expect(root.list("words", of: .string) == ["one", "two"])
    }
    #expect(recipe.warnings.isEmpty)
  }

  @Test(arguments: [
    ("24GB", 24_000_000_000, "24GB"), ("1.5GiB", 3 << 29, "1536MiB"), ("512MiB", 1 << 29, "512MiB"),
    ("250.5MB", 250_500_000, "250.5MB"),
  ])
  func `memory is written with its unit`(_ text: String, _ bytes: Int, _ resolved: String) throws {
    let recipe = try read("budget: \(text)") { #expect($0.optional("budget", .bytes) == bytes) }
    #expect(recipe.resolved.text.contains("budget: \(resolved)"))
  }

  @Test(arguments: ["24", "GB", "-1GB", "many GB", "24TB"])
  func `memory without a number or a known unit is refused`(_ text: String) {
    let found = problems("budget: \(text)") { _ = $0.optional("budget", .bytes) }
    #expect(found.count == 1)
    #expect(found[0].contains("amount of memory"))
  }

  @Test func `absent keys take their defaults`() throws {
    _ = try read("") { root in
      #expect(root.int("count", in: 1..., default: 5) == 5)
      #expect(root.bool("on", default: true))
      #expect(root.choice("fruit", default: Fruit.pear) == .pear)
      #expect(root.list("words", of: .string, default: ["x"]) == ["x"])
      #expect(root.optional("limit", .int(in: 1...)) == nil)
      #expect(root.sections("rewards").isEmpty)
      #expect(root.section("optimizer").double("rate", in: .any, default: 0.5) == 0.5)
      #expect(root.path("model", default: "../Models/shapes") == "/Models/shapes")
      #expect(root.shape(of: "count") == .absent)
    }
  }

  @Test func `null means absent where a value is optional`() throws {
    _ = try read("limit: null\nother:") { root in
      #expect(root.optional("limit", .int(in: 1...)) == nil)
      #expect(root.shape(of: "other") == .null)
    }
  }

  @Test func `a setting of several forms is told apart by its shape`() throws {
    _ = try read("a: all\nb: [1]\nc: {first: 3}") { root in
      #expect(root.shape(of: "a") == .scalar)
      #expect(root.shape(of: "b") == .list)
      #expect(root.shape(of: "c") == .section)
      #expect(root.string("a") == "all")
      #expect(root.list("b", of: .int(in: 0...)) == [1])
      #expect(root.section("c").int("first", in: 1...) == 3)
    }
  }

  @Test func `sections of a list are read one by one`() throws {
    _ = try read("rewards:\n  - name: a\n    weight: 2\n  - name: b\n") { root in
      let rewards = root.sections("rewards")
      #expect(rewards.map { $0.string("name") } == ["a", "b"])
      #expect(rewards.map { $0.double("weight", in: .above(0), default: 1) } == [2, 1])
    }
  }

  @Test func `sections with free keys list the given ones`() throws {
    _ = try read("weights: {shapes: 1, size: 0.5}") { root in
      let weights = root.section("weights")
      #expect(weights.givenKeys == ["shapes", "size"])
      #expect(weights.givenKeys.map { weights.double($0, in: .any) } == [1, 0.5])
    }
  }

  @Test func `a scalar of a document is found by its dotted path`() throws {
    let text = "a: {b: 0.03, c: 'x: y', d: null}\nlist: [1]"
    let document = try RecipeDocument(text: text, name: "r.yaml", folder: "/recipes")
    #expect(document.text(at: "a.b") == "0.03")
    #expect(document.text(at: "a.c") == "x: y")
    for path in ["a", "a.d", "a.e", "b", "list", "a.b.c"] {
      #expect(document.text(at: path) == nil)
    }
  }

  @Test func `paths start from the recipe, from --set in the current folder, and are normalized`()
    throws
  {
    let text = "a: x/y.yaml\nb: ../x\nc: /abs//./z/../w\nd: old"
    _ = try read(text, set: ["d=./new"]) { root in
      #expect(root.path("a") == "/recipes/x/y.yaml")
      #expect(root.path("b") == "/x")
      #expect(root.path("c") == "/abs/w")
      #expect(root.path("d") == "/current/new")
    }
  }

  @Test(arguments: [
    ("x: twelve", #"r.yaml:1:4: x: expected a whole number, found the text "twelve""#),
    ("x: 1.5", "r.yaml:1:4: x: expected a whole number, found 1.5"),
    ("x: \"12\"", #"r.yaml:1:4: x: expected a whole number, found the text "12""#),
    ("x: true", "r.yaml:1:4: x: expected a whole number, found true"),
    ("x: [1, 2]", "r.yaml:1:4: x: expected a whole number, found a list of 2"),
    ("x: {a: 1}", "r.yaml:1:4: x: expected a whole number, found a section"),
    ("x: null", "r.yaml:1:4: x: expected a whole number, found null"),
    ("x:", "r.yaml:1:3: x: expected a whole number, found nothing"),
    ("x: 9999999999999999999", "r.yaml:1:4: x: expected a whole number, found 9999999999999999999"),
    ("x: 0", "r.yaml:1:4: x: must be at least 1, found 0"),
    ("\n  x: 0", "r.yaml:2:6: x: must be at least 1, found 0"),
  ])
  func `a wrong whole number is named with its place`(_ text: String, _ expected: String) {
    #expect(problems(text) { _ = $0.int("x", in: 1...) } == [expected])
  }

  @Test(arguments: [
    ("x: fast", #"r.yaml:1:4: x: expected a finite number, found the text "fast""#),
    ("x: .nan", #"r.yaml:1:4: x: expected a finite number, found the text ".nan""#),
    ("x: 1e999", "r.yaml:1:4: x: expected a finite number, found 1e999"),
    ("x: 0", "r.yaml:1:4: x: must be above 0 and at most 1, found 0"),
    ("x: 1.5", "r.yaml:1:4: x: must be above 0 and at most 1, found 1.5"),
    ("x: 1__0", #"r.yaml:1:4: x: expected a finite number, found 1__0"#),
  ])
  func `a wrong number is named with its place`(_ text: String, _ expected: String) {
    #expect(problems(text) { _ = $0.double("x", in: .above(0, through: 1)) } == [expected])
  }

  @Test func `errors about other wrong types name the right one`() {
    #expect(
      problems("x: yes") { _ = $0.bool("x") } == [
        #"r.yaml:1:4: x: expected true or false, found the text "yes""#
      ])
    #expect(
      problems("x: 12") { _ = $0.string("x") } == [
        #"r.yaml:1:4: x: expected a text, found 12; write "12" in quotes"#
      ])
    #expect(
      problems("x: pare") { _ = $0.choice("x") as Fruit } == [
        #"r.yaml:1:4: x: "pare" is not one of apple, pear, dark_cherry; did you mean "pear"?"#
      ])
    #expect(
      problems("x: []") { _ = $0.choice("x") as Fruit } == [
        "r.yaml:1:4: x: expected one of apple, pear, dark_cherry, found a list of 0"
      ])
    #expect(
      problems("x: 3") { _ = $0.section("x").int("deep", in: 1...) } == [
        "r.yaml:1:4: x: expected a section, found 3"
      ])
    #expect(
      problems("x: [1, b]") { _ = $0.list("x", of: .int(in: 0...)) } == [
        #"r.yaml:1:8: x: expected a whole number, found the text "b""#
      ])
    #expect(
      problems("x: [1]") { _ = $0.list("x", of: .int(in: 0...), count: 2...2) } == [
        "r.yaml:1:4: x: the number of items must be between 2 and 2, found 1"
      ])
    #expect(
      problems("x: a") { _ = $0.sections("x") } == [
        #"r.yaml:1:4: x: expected a list of sections, found the text "a""#
      ])
    #expect(problems("x: \"\"") { _ = $0.path("x") }.count == 1)
  }
}
