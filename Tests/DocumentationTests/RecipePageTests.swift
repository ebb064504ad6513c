import Foundation
import Recipes
import Runs
import TestSupport
import Testing
import Training

/// The pages on recipe keys beside the readers of recipes.
@Suite struct RecipePageTests {
  private static let sections = [
    "prompts", "sampling", "advantage", "loss", "optimizer", "ema", "evaluation", "checkpoints",
  ]
  /// A key that is like no other, so that the error about it lists all valid keys.
  private static let unknown = "qqqqqqqqqqqq"

  /// The keys that a section accepts, as the error about an unknown key lists them.
  private func keys(
    _ section: String, _ read: ([String]) throws(RecipeError) -> Void, settings: [String] = []
  ) -> Set<String> {
    let key = section.isEmpty ? Self.unknown : "\(section).\(Self.unknown)"
    do throws(RecipeError) {
      try read(settings + ["\(key)=1"])
    } catch {
      for issue in error.issues where issue.message.contains("unknown key \"\(Self.unknown)\"") {
        guard let list = issue.message.split(separator: "valid: ").last else { break }
        return Set(list.split(separator: ", ").map(String.init))
      }
    }
    return []
  }

  private func train(_ settings: [String]) throws(RecipeError) {
    _ = try TrainingRecipe.read(
      path: repositoryFolder() + "/Recipes/shapes.yaml", overrides: ["trainable=lora"] + settings)
  }

  private func pretrain(_ settings: [String]) throws(RecipeError) {
    _ = try PretrainingRecipe.read(
      path: repositoryFolder() + "/Recipes/shapes-pretrain.yaml", overrides: settings)
  }

  /// Keys in the tables under a heading.
  private func described(_ page: Page, _ heading: String) -> Set<String> {
    Set(
      page.tables.filter { $0.heading == heading && $0.header.first == "key" }
        .flatMap(\.rows).flatMap { Page.code($0[0]) })
  }

  @Test(arguments: sections)
  func `a section's table has every key and no other`(section: String) throws {
    let found = keys(section, train)
    #expect(!found.isEmpty)
    #expect(described(try Page("docs/recipes.md"), "`\(section)`") == found)
  }

  @Test func `the table of the run has every key outside of sections and no other`() throws {
    let page = try Page("docs/recipes.md")
    let adapters = keys("lora", train).map { "lora.\($0)" }
    let sections = Set(Self.sections + ["rewards", "held_out_rewards", "lora"])
    #expect(!adapters.isEmpty)
    #expect(
      described(page, "The run") == keys("", train).subtracting(sections).union(adapters))
    for section in sections.subtracting(["lora"]) {
      #expect(page.lines.contains("## `\(section)`"), "\(section)")
    }
  }

  @Test func `the tables of rewards have every name and key and no other`() throws {
    let page = try Page("docs/recipes.md")
    let rows = page.tables.filter { $0.heading == "`rewards`" && $0.header.first == "name" }
    let names = rows.flatMap(\.rows).flatMap { Page.code($0[0]) }
    #expect(try Set(names) == CommandLineDescription.rewards())
    let found = names.reduce(into: Set<String>()) { all, name in
      all.formUnion(keys("rewards.0", train, settings: ["rewards=[{name: \(name)}]"]))
    }
    #expect(described(page, "`rewards`") == found)
    let held = keys("held_out_rewards.0", train, settings: ["held_out_rewards=[{name: shapes}]"])
    let reward = keys("rewards.0", train, settings: ["rewards=[{name: shapes}]"])
    #expect(described(page, "`held_out_rewards`") == held.subtracting(reward))
  }

  @Test func `the README's table of rewards has every reward and no other`() throws {
    let names = try Page("README.md").rows(header: "reward").flatMap { Page.code($0[0]) }
    #expect(try Set(names) == CommandLineDescription.rewards())
  }

  @Test func `every recipe of the benchmarks is read without a warning`() throws {
    let folder = repositoryFolder() + "/Benchmarks"
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
      .filter { $0.hasSuffix(".yaml") }
    #expect(names.count == 7)
    for name in names {
      let recipe = try TrainingRecipe.read(path: "\(folder)/\(name)")
      // A benchmark has fewer steps than a run that learns.
      let warnings = recipe.warnings.filter { !"\($0)".contains("known to have learned") }
      #expect(warnings.isEmpty, "\(name): \(warnings)")
    }
  }

  @Test func `the page on pretraining has every key and no other`() throws {
    let sections = ["data", "autoencoder", "text_encoder", "transformer", "flow", "evaluation"]
    var found = keys("", pretrain)
    #expect(found.isSuperset(of: sections))
    found.subtract(sections)
    for section in sections {
      found.formUnion(keys(section, pretrain).map { "\(section).\($0)" })
    }
    #expect(described(try Page("docs/pretraining.md"), "Keys") == found)
  }
}
