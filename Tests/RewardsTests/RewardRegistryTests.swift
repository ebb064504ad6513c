import Foundation
import Recipes
import Rewards
import TestSupport
import Testing
import Torch

@Suite struct RewardRegistryTests {
  private func issues(_ name: String, _ overrides: [String] = []) -> [String] {
    let error = #expect(throws: RecipeError.self) { try RewardEntry.read(name, overrides) }
    return error?.issues.map(\.message) ?? []
  }

  @Test(arguments: ["jpeg_compressibility", "jpeg_incompressibility", "geneval", "ocr", "shapes"])
  func `a reward without required keys is made under its label`(name: String) throws {
    #expect(try RewardEntry.read(name, []).settings.makeReward().name == name)
    let labeled = try RewardEntry.read(name, ["label=mine"]).settings
    #expect(labeled.label == "mine" && labeled.name == name)
    #expect(try labeled.makeReward().name == "mine")
  }

  @Test func `rewards are listed once and in alphabetical order`() {
    let names = RewardRegistry.builtIn.map { $0.name }
    #expect(names == Set(names).sorted())
    #expect(names.allSatisfy { $0.wholeMatch(of: /[a-z0-9_]+/) != nil })
  }

  @Test func `partial credit is the default of shapes and geneval`() throws {
    let shapes = try RewardEntry.read("shapes", []).settings.factory as? ShapesFactory
    #expect(shapes?.mode == .partial)
    let geneval = try RewardEntry.read("geneval", []).settings.factory as? GenEvalFactory
    #expect(geneval?.mode == .partial && geneval?.backend == .shapes)
  }

  @Test func `an unknown name is an error that lists all names`() {
    let found = issues("shape")
    #expect(found.count == 1)
    #expect(
      found.first?.hasPrefix("name: no reward is named \"shape\"; there is aesthetic, ") == true)
    #expect(found.first?.hasSuffix("; did you mean \"shapes\"?") == true)
    for name in RewardRegistry.builtIn.map({ $0.name }) {
      #expect(found.first?.contains(name) == true, "\(name)")
    }
  }

  @Test func `an unknown mode or backend is one error that lists all of them`() {
    #expect(
      issues("shapes", ["mode=strict", "surplus=ignored"])
        == ["surplus: applies to partial credit, and mode is strict"])
    #expect(
      issues("shapes", ["mode=exact"]) == ["mode: \"exact\" is not one of partial, strict"])
    #expect(
      issues("ocr", ["backend=eyes"]) == ["backend: \"eyes\" is not one of tesseract, remote"])
  }

  @Test(arguments: [
    ("timeout=0", "timeout: must be above 0"),
    ("timeout=.inf", "timeout: expected a finite number"),
    ("retries=-1", "retries: must be"), ("concurrency=0", "concurrency: must be"),
    ("batch_size=0", "batch_size: must be"), ("outage_timeout=-1", "outage_timeout: must be"),
    ("label=a.b", "label: a reward cannot be called \"a.b\"; use letters, digits, - and _"),
  ])
  func `a value that cannot work is refused with its key`(_ setting: String, _ message: String) {
    let found = issues("http", ["urls=['http://a']", setting])
    #expect(found.count == 1 && found.first?.hasPrefix(message) == true, "\(found)")
  }

  @Test(arguments: ["sk-1234567890", "hf_AbCdEf123456"])
  func `a key in place of a variable's name is refused and not repeated`(key: String) {
    let found = issues("http", ["urls=['http://a']", "api_key_variable=\(key)"])
    #expect(
      found == [
        "api_key_variable: must be the name of an environment variable that holds the key, such as "
          + "API_KEY"
      ])
  }

  @Test(arguments: [
    ("editscore", "urls"), ("http", "urls"), ("unifiedreward", "urls"), ("vlm", "urls"),
    ("vlm", "prompt"),
    ("process", "command"), ("pickscore", "model"), ("hpsv3", "model"),
  ])
  func `a required key that is missing is named`(_ name: String, _ key: String) {
    #expect(issues(name).contains { $0.hasPrefix("\(key): is required and missing") })
  }

  @Test func `a network's folder is looked for before anything is loaded`() throws {
    let entry = try RewardEntry.read("pickscore", ["model=/nowhere"], device: .cuda(0)).settings
    #expect(entry.device == .cuda(0))
    let error = #expect(throws: RewardError.self) { try entry.check() }
    #expect(
      error?.description
        == "the reward pickscore failed: its model, /nowhere, is no folder; it must hold the files "
        + "of the Hugging Face repository yuvalkirstain/PickScore_v1")
  }

  @Test func `an error of the command line has the option, and the option that is missing`() {
    #expect {
      try RewardEntry.read("pickscore", [])
    } throws: { error in
      "\(error)"
        == "--reward pickscore: model: is required and missing; give it with --reward-model"
    }
    #expect {
      try RewardEntry.read("shape", [])
    } throws: { error in
      "\(error)".hasPrefix("--reward shape: no reward is named \"shape\"; there is ")
    }
  }

  @Test func `entries are equal when name, label and settings are`() throws {
    func entry(_ name: String, _ overrides: String...) throws -> RewardEntry {
      try RewardEntry.read(name, overrides).settings
    }
    #expect(try entry("shapes") == entry("shapes", "mode=partial"))
    #expect(try entry("shapes") != entry("shapes", "mode=strict"))
    #expect(try entry("shapes") != entry("shapes", "label=exact"))
    let label = "label=size"
    #expect(try entry("jpeg_compressibility", label) != entry("jpeg_incompressibility", label))
  }

  @Test func `docs/recipes.md names every reward and every key of it`() throws {
    let text = try String(
      contentsOfFile: repositoryFolder() + "/docs/recipes.md", encoding: .utf8)
    let start = try #require(text.range(of: "\n## `rewards`\n")).upperBound
    let end = try #require(text.range(of: "\n## `held_out_rewards`\n")).lowerBound
    let section = text[start..<end]
    let required = [
      "model": "/w", "urls": "['http://a']", "prompt": "a", "command": "[a]", "backend": "remote",
    ]
    for kind in RewardRegistry.builtIn {
      #expect(section.contains("`\(kind.name)`"), "\(kind.name)")
      // Those of the required keys that this reward has.
      let overrides = required.filter { !isUnknown($0.key, of: kind.name) }
        .map { "\($0.key)=\($0.value)" }
      let recipe = try RewardEntry.read(kind.name, overrides)
      for key in recipe.resolved.values.map(\.path) {
        #expect(section.contains("\n| `\(key)` |"), "\(key) of \(kind.name)")
      }
    }
  }

  private func isUnknown(_ key: String, of name: String) -> Bool {
    do throws(RecipeError) {
      _ = try RewardEntry.read(name, ["\(key)=x"])
      return false
    } catch {
      return error.issues.contains { $0.message.hasPrefix("unknown key \"\(key)\"") }
    }
  }
}
