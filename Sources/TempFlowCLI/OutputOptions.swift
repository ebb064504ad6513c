import ArgumentParser
import Foundation
import Foundations

/// The flag shared by every command with a report.
struct OutputOptions: ParsableArguments {
  @Flag(
    name: .long,
    help: "Print one JSON object on standard output; everything else goes to standard error.")
  var json = false

  /// Prints `report` as one JSON object when `--json` was given, else the lines of `text`.
  func print(_ report: some Encodable, text: () -> String) throws {
    guard json else { return Swift.print(text()) }
    let data = try JSONEncoder.indented.encode(report)
    try FileHandle.standardOutput.write(contentsOf: data + Data("\n".utf8))
  }
}
