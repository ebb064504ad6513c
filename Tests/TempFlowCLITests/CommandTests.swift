import Foundation
import Testing

@Suite struct CommandTests {
  /// Part of the interface: a command may be added, none may go.
  static let commands = [
    "train", "plan", "export", "pretrain", "sample", "evaluate", "report", "compare", "doctor",
  ]

  @Test func `the command lists its subcommands and its version`() throws {
    let help = try tempflow("--help")
    #expect(help.status == 0)
    for name in Self.commands { #expect(help.output.contains("  \(name) "), "\(name)") }
    #expect(try tempflow("--version").output.hasPrefix("0."))
  }

  @Test(arguments: CommandTests.commands)
  func `every command's help has an example`(_ name: String) throws {
    let help = try tempflow(name, "--help")
    #expect(help.status == 0)
    #expect(help.output.contains("Example: tempflow \(name) "))
  }

  @Test(arguments: [
    ("train", ["--run-dir", "--resume", "--set", "--init-lora", "--json"]),
    (
      "export",
      ["--format", "--merge", "--model", "--checkpoint", "--output", "--overwrite", "--json"]
    ),
    ("plan", ["--set", "--json"]),
    (
      "sample",
      [
        "--model", "--lora", "--prompt", "--prompts", "--steps", "--guidance", "--seed",
        "--initial-latents", "--save-latents", "--output", "--json",
      ]
    ),
    ("evaluate", ["--model", "--lora", "--prompts", "--reward", "--json"]),
    ("pretrain", ["--json"]),
    ("report", ["--json"]),
    ("doctor", ["--json"]),
  ])
  func `options keep their names`(_ command: String, _ options: [String]) throws {
    let help = try tempflow(command, "--help").output
    for option in options { #expect(help.contains(option), "\(command) \(option)") }
  }

  @Test func `an unknown command or option is refused with usage`() throws {
    #expect(try tempflow("trian").status == 64)
    let option = try tempflow("plan", "Recipes/shapes.yaml", "--jsno")
    #expect(option.status == 64)
    #expect(option.errors.contains("--json"))
  }

  @Test func `doctor reports as lines and as one object`() throws {
    let lines = try tempflow("doctor").output
    for subject in ["libtorch", "threads", "CUDA", "model", "disk"] {
      #expect(lines.contains(subject))
    }
    let object = try tempflow("doctor", "--json").json
    #expect((object["findings"] as? [[String: Any]])?.count == 5)
  }

  @Test func `a faulty recipe is refused with its place before anything is loaded`() throws {
    let outcome = try tempflow(
      "plan", "Recipes/shapes.yaml", "--set", "sampling.brnches=4", "--set", "epochs=-1")
    #expect(outcome.status == 1)
    #expect(outcome.errors.contains("--set sampling.brnches"))
    #expect(outcome.errors.contains("did you mean \"branches\"?"))
    #expect(outcome.errors.contains("--set epochs: epochs: must be between 1"))
    #expect(outcome.output.isEmpty)
  }

  @Test func `a recipe that is not there is refused by name`() throws {
    let outcome = try tempflow("train", "Recipes/nothing.yaml")
    #expect(outcome.status == 1)
    #expect(outcome.errors.contains("Recipes/nothing.yaml:1:1: no such file"))
  }

  @Test func `a run directory without a run is refused by train --resume and by report`() throws {
    let missing = "\(FileManager.default.temporaryDirectory.path)/tempflow-no-run-\(UUID())"
    let report = try tempflow("report", missing)
    #expect(report.status == 1)
    #expect(report.errors.contains("There is no run in \(missing)"))
  }
}
