import Recipes
import Testing

struct RecipeOverrideTests {
  @Test func `an override replaces, adds and makes the sections that lead to it`() throws {
    let overrides = ["a=2", "section.b=[3, 4]", "new.deep.c=hello", "a=5"]
    _ = try read("a: 1\nsection:\n  b: [1]\n  d: 7\n", set: overrides) { root in
      #expect(root.int("a", in: 0...) == 5)
      let section = root.section("section")
      #expect(section.list("b", of: .int(in: 0...)) == [3, 4])
      #expect(section.int("d", in: 0...) == 7)
      #expect(root.section("new").section("deep").string("c") == "hello")
    }
  }

  @Test func `an override steps into a list by number`() throws {
    let text = "rewards:\n  - {name: a}\n  - {name: b}\n"
    _ = try read(text, set: ["rewards.1.name=c", "rewards.0.weight=2"]) { root in
      let rewards = root.sections("rewards")
      #expect(rewards.map { $0.string("name") } == ["a", "c"])
      #expect(rewards[0].int("weight", in: 0...) == 2)
      #expect(rewards[1].int("weight", in: 0..., default: 1) == 1)
    }
  }

  @Test func `a value may hold equals signs, quotes, nothing`() throws {
    _ = try read("", set: ["a=x=y", "b=\"12\"", "c="]) { root in
      #expect(root.string("a") == "x=y")
      #expect(root.string("b") == "12")
      #expect(root.optional("c", .int(in: 0...)) == nil)
    }
  }

  @Test(arguments: [
    ("epochs", "--set epochs: write it as key=value, for example epochs=10"),
    ("a..b=1", "--set a..b: a part of the key is empty"),
    ("=1", "--set : a part of the key is empty"),
    (
      "text.b=1",
      #"--set text.b: there is no key "b" inside the text "hello", given at r.yaml:1:7"#
    ),
    (
      "list.7=1",
      #"--set list.7: "7" is no place in the list at r.yaml:2:7; 0 to 1 would be valid"#
    ),
    (
      "list.x=1",
      #"--set list.x: "x" is no place in the list at r.yaml:2:7; 0 to 1 would be valid"#
    ),
  ])
  func `an override that leads nowhere is an error`(_ override: String, _ expected: String) {
    let found = problems("text: hello\nlist: [1, 2]", set: [override]) { root in
      _ = (root.string("text"), root.shape(of: "list"))
    }
    #expect(found == [expected])
  }

  @Test func `errors in overridden values name the override`() {
    let found = problems("a: 1", set: ["a=x", "b.c=1", "d=[1"]) { _ in }
    #expect(found.count == 1 && found[0].hasPrefix("--set d: not readable as YAML"), "\(found)")
    let types = problems("a: 1", set: ["a=x", "b.cc=1"]) { root in
      _ = root.int("a", in: 0...)
      _ = root.section("b").int("c", in: 0..., default: 1)
    }
    #expect(
      types == [
        #"--set a: expected a whole number, found the text "x""#,
        #"--set b.cc: unknown key "cc" in "b"; did you mean "c"?"#,
      ])
  }
}
