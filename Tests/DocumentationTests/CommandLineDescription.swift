import Foundation
import TestSupport

/// The commands of `tempflow` and their options, as the command itself describes them.
struct CommandLineDescription: Decodable {
  struct Command: Decodable {
    let commandName: String
    let subcommands: [Command]?
    let arguments: [Argument]?
  }
  struct Argument: Decodable {
    struct Name: Decodable {
      let name: String
    }
    let kind: String
    let valueName: String?
    let preferredName: Name?
    let abstract: String?
  }
  let command: Command

  static func read() throws -> Self {
    let run = try ProgramRun(builtProduct("tempflow"), ["--experimental-dump-help"])
    return try JSONDecoder().decode(Self.self, from: Data(run.output.utf8))
  }

  /// Options and flags by command, with their hyphens and without `--help` and `--version`.
  func options() -> [String: Set<String>] {
    var options: [String: Set<String>] = [:]
    for command in command.subcommands ?? [] where command.commandName != "help" {
      let names = (command.arguments ?? []).compactMap(\.preferredName?.name)
      options[command.commandName] = Set(names.map { "--\($0)" })
        .subtracting(["--help", "--version"])
    }
    return options
  }

  /// The names that `--reward` accepts.
  static func rewards() throws -> Set<String> {
    let score = try read().command.subcommands?.first { $0.commandName == "score" }
    let option = score?.arguments?.first { $0.preferredName?.name == "reward" }
    let list = option?.abstract?.firstMatch(of: /: ([a-z0-9_, ]+)\./)?.output.1 ?? ""
    return Set(list.split(separator: ", ").map(String.init))
  }
}
