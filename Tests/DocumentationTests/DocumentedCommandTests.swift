import Foundation
import Recipes
import Runs
import TestSupport
import Testing
import Training

/// The commands in the code blocks of pages, run with small settings on the embedded model and tiny
/// folders.
@Suite struct DocumentedCommandTests {
  /// Commands of `tempflow` that are only compared with the command's own options, with the reason.
  private static let unrun: [(prefix: String, reason: String)] = [
    ("tempflow plan  full.yaml", "needs a 7 GB folder of random weights"),
    ("tempflow train full.yaml", "needs a 7 GB folder of random weights"),
    ("tempflow train Benchmarks/", "needs a 3 GB folder of random weights"),
    ("tempflow bench Benchmarks/", "needs a 3 GB folder of random weights"),
    ("tempflow evaluate --model Models/FLUX.1-Kontext-dev", "needs an EditScore server"),
    ("tempflow train Recipes/shapes.yaml --run-dir runs/twin", "RewardTwinTests trains it"),
    ("tempflow launch -n 8", "eight processes; other pages launch two"),
  ]
  /// Programs whose commands are not run, with the reason.
  private static let outside: [String: String] = [
    "hf": "downloads gigabytes", "git": "downloads a repository",
    "swift": "builds the package, as the tests' own build does",
    "python": "needs torch and diffusers",
    "python3": "serves or measures until it is stopped",
    "cd": "a server and a run, which RewardTwinTests starts",
  ]

  /// The pages whose commands are run. Those on rewards need weights, servers and services.
  private static func pages() throws -> [String] {
    try Page.all().filter { path in
      try !path.hasPrefix("docs/rewards/") && commands(path).contains(where: isRun)
    }
  }

  private static func commands(_ path: String) throws -> [DocumentedCommand] {
    DocumentedCommand.all(in: try Page(path))
  }

  private static func isRun(_ command: DocumentedCommand) -> Bool {
    command.program == "tempflow" && !unrun.contains { command.text.hasPrefix($0.prefix) }
  }

  @Test func `every command of a page is one of tempflow, a target, a script, or listed`() throws {
    var found: Set<String> = []
    for path in try Page.all() {
      for command in try Self.commands(path) {
        let program = command.program
        if Self.outside[program] != nil { found.insert(program) }
        let script = "\(repositoryFolder())/\(program)"
        let isKnown =
          ["tempflow", "make"].contains(program) || Self.outside[program] != nil
          || program.hasPrefix(".bench/") || FileManager.default.isExecutableFile(atPath: script)
        #expect(isKnown, "\(path): \(command)")
      }
    }
    #expect(found == Set(Self.outside.keys), "a listed program is on no page")
    let all = try Page.all().flatMap(Self.commands)
    for entry in Self.unrun {
      #expect(all.contains { $0.text.hasPrefix(entry.prefix) }, "\(entry.prefix) is on no page")
    }
  }

  @Test func `make knows every target of a page`() throws {
    let makefile = try String(contentsOfFile: repositoryFolder() + "/Makefile", encoding: .utf8)
    let targets = Set(makefile.matches(of: /(?m)^([a-z-]+):/).map { String($0.output.1) })
    var count = 0
    for path in try Page.all() {
      for command in try Self.commands(path) where command.program == "make" {
        guard let index = command.words.firstIndex(of: "make") else { continue }
        for word in command.words[(index + 1)...] where !word.contains("=") {
          count += 1
          #expect(targets.contains(word), "\(path): \(command)")
        }
      }
    }
    #expect(count >= 8)
  }

  @Test func `every option of a tempflow command of a page is one of its subcommand`() throws {
    let options = try CommandLineDescription.read().options()
    var count = 0
    for path in try Page.all() {
      for command in try Self.commands(path) where command.program == "tempflow" {
        guard let index = command.words.firstIndex(of: "tempflow"),
          index + 1 < command.words.count
        else { continue }
        // After `--` stands the command that `launch` starts.
        for words in command.words[(index + 1)...].split(separator: "--") {
          let known = try #require(options[words[words.startIndex]], "\(path): \(command)")
          for word in words.dropFirst() where word.hasPrefix("--") {
            let option = String(word.split(separator: "=")[0])
            #expect(known.contains(option) || option == "--help", "\(path): \(command)")
          }
        }
        count += 1
      }
    }
    #expect(count >= 30)
  }

  @Test(arguments: try pages())
  func `the tempflow commands of a page run, in order`(path: String) throws {
    let commands = try Self.commands(path).filter(Self.isRun)
    try withTemporaryFolder { folder in
      let sandbox = try CommandSandbox(folder)
      try sandbox.prepare(path)
      for command in commands {
        let run = try sandbox.run(command)
        #expect(run.status == 0, "\(path): \(command)\n\(run.output.suffix(800))")
      }
    }
  }

  @Test func `a recipe says how it is known, and one that CI runs is trained by a command`() throws
  {
    let trained = try Self.pages().flatMap(Self.commands).filter(Self.isRun)
      .filter { ["train", "pretrain"].contains($0.words[1]) }.map { $0.words[2] }
    let results = try Page.all().filter { $0.hasPrefix("docs/results/") }.map { try Page($0).text }
    let table = try Page("README.md").rows(header: "recipe")
    let folder = repositoryFolder() + "/Recipes"
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
      .filter { $0.hasSuffix(".yaml") }
    #expect(names.count >= 10)
    for name in names {
      let path = "\(folder)/\(name)"
      let evidence =
        name.hasSuffix("-pretrain.yaml")
        ? try PretrainingRecipe.read(path: path).settings.evidence
        : try TrainingRecipe.read(path: path).settings.evidence
      let known = try #require(evidence, "\(name) has no evidence")
      let row = table.first { $0[0].contains("(Recipes/\(name))") }
      #expect(row?[1] == known.rawValue, "the README's table: \(name)")
      switch known {
      case .ci: #expect(trained.contains("Recipes/\(name)"), "\(name)")
      case .measured: #expect(results.contains { $0.contains("Recipes/\(name)") }, "\(name)")
      case .arithmetic: break
      }
    }
  }
}
