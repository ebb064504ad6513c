import ArgumentParser
import Dashboard
import Foundations

/// `tempflow compare`: compares methods at equal training time.
struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Compares runs of several methods and seeds: one chart and one table.",
    discussion: """
      Runs whose directories differ only in their number (flow-grpo-seed-1, flow-grpo-seed-2) \
      are one method; those in different folders are not, and have its name, too. Runs of one \
      method must differ in their seeds, and in no other setting that decides what an epoch \
      computes. Writes compare.svg and compare.md.

      `make compare` also tunes the methods (docs/laboratory.md).

      Example: tempflow compare runs/flow-grpo-seed-* runs/tempflow-grpo-seed-* \
      --output runs/comparison --label flow-grpo=Flow-GRPO --label tempflow-grpo=TempFlow-GRPO
      """)

  @Argument(help: "Run directories, in the order of the methods in the table.")
  var runs: [String]

  @Option(name: .long, help: "The folder to write to; created if missing.")
  var output: String

  @Option(name: .long, help: "The displayed name of a method, as METHOD=NAME; may be repeated.")
  var label: [String] = []

  @Option(name: .long, help: "A line to add to the page, such as how the runs were made.")
  var note: [String] = []

  @OptionGroup var reporting: OutputOptions

  func validate() throws {
    for entry in label where entry.split(separator: "=", maxSplits: 1).count != 2 {
      throw ValidationError("--label \(entry): write it as METHOD=NAME.")
    }
  }

  func run() throws {
    var labels: [String: String] = [:]
    for entry in label {
      let parts = entry.split(separator: "=", maxSplits: 1).map(String.init)
      labels[parts[0]] = parts[1]
    }
    let (comparison, details) = try Comparison.read(runs, labels: labels)
    try FileTree.makeFolder(output)
    let outcome = try comparison.write(to: output, details: details + note)
    try reporting.print(outcome) { "\(comparison.text)\n\n\(outcome.page)" }
  }
}
