import ArgumentParser
import Foundation

/// `tempflow doctor`: says whether this machine can run the rest.
struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Checks that this machine has what the other commands need.",
    discussion: "Example: tempflow doctor --json")

  @OptionGroup var output: OutputOptions

  func run() throws {
    let report = ["processors": ProcessInfo.processInfo.activeProcessorCount]
    try output.print(report) { "processors  \(report["processors", default: 1])" }
  }
}
