import ArgumentParser
import Dashboard

/// `tempflow report`: writes the report of a run.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Writes a run's report.html: one self-contained page.",
    discussion: """
      The run may still be in progress; the page lists what is not there yet.

      Example: tempflow report runs/demo
      """)

  @Argument(help: ArgumentHelp("The run directory.", valueName: "run"))
  var directory: String

  @Option(name: .long, help: "Where to write the page. (default: RUN/report.html)")
  var output: String?

  @OptionGroup var reporting: OutputOptions

  func run() throws {
    let outcome = try Report.write(run: directory, to: output)
    try reporting.print(outcome) { outcome.report }
  }
}
