import Foundation
import TestSupport
import Testing

@Suite struct CommandLinePageTests {
  /// Options of the chat servers that `docs/rewards/chat.md` mentions.
  private static let foreign: Set = [
    "--limit-mm-per-prompt", "--logprobs-mode", "--max-logprobs", "--mmproj",
    "--override-generation-config", "--rdzv-id", "--served-model-name",
  ]

  @Test func `the page on the command line has every command and option and no other`() throws {
    var described: [String: Set<String>] = [:]
    for table in try Page("docs/command-line.md").tables {
      described[table.heading] = Set(
        table.rows.flatMap { Page.code($0[0]) }.filter { $0.hasPrefix("--") })
    }
    let options = try CommandLineDescription.read().options()
    #expect(options.count >= 11)
    #expect(described == options, "run Tools/command_line.py")
  }

  @Test func `every option in the text of a page is one of a command or of a script`() throws {
    let known = try CommandLineDescription.read().options().values.reduce(into: Set()) {
      $0.formUnion($1)
    }
    let scripts = try scripts()
    // The page on renamed keys has earlier names.
    for path in try Page.all() where path != "docs/renamed.md" {
      for code in Page.code(try Page(path).text) {
        for option in code.matches(of: /(?:^|\s)(--[a-z][a-z-]*)/).map({ String($0.output.1) })
        where !known.contains(option) && !Self.foreign.contains(option) {
          let isOfScript = scripts.contains(option)
          #expect(isOfScript, "\(path): \(option)")
        }
      }
    }
  }

  /// The text of all scripts of the repository.
  private func scripts() throws -> String {
    try ["Tools", "Benchmarks", "Examples", "Tests/SimulatedCUDA"].flatMap { folder in
      try FileManager.default.subpathsOfDirectory(atPath: "\(repositoryFolder())/\(folder)")
        .filter { $0.hasSuffix(".py") || $0.hasSuffix(".sh") }
        .map {
          try String(contentsOfFile: "\(repositoryFolder())/\(folder)/\($0)", encoding: .utf8)
        }
    }.joined()
  }
}
