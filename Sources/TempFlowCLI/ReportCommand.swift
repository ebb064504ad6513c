import ArgumentParser
import Dashboard

/// `tempflow report`: writes the report of a run.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Writes a run's report.html: one self-contained page.",
    discussion: """
      The report of an unfinished run says what is missing.

      Example: tempflow report runs/demo
      """)

  @Argument(help: ArgumentHelp("The run directory.", valueName: "run"))
  var directory: String

  @Option(name: .long, help: "Where to write the page. (default: RUN/report.html)")
  var output: String?

  @Option(
    name: .long, help: "Folder for the samples and the branch tree as SVG files. (default: none)")
  var pictures: String?

  @OptionGroup var reporting: OutputOptions

  func run() throws {
    var outcome = try Report.write(run: directory, to: output)
    if let pictures { outcome.pictures = try RunPictures.write(run: directory, to: pictures) }
    try reporting.print(outcome) { ([outcome.report] + outcome.pictures).joined(separator: "\n") }
  }
}
