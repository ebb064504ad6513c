import Runs

/// What `tempflow report --json` prints.
package struct ReportOutcome: Codable, Equatable, Sendable {
  /// The run directory.
  package let run: String
  /// The page that was written.
  package let report: String
  /// Size of the page.
  package let bytes: Int
  /// Whether the run finished.
  package let finished: Bool
  /// Epochs completed.
  package let epochs: Int
  /// Held-out accuracy of the first evaluation, 0...1; nil without one.
  package let before: Double?
  /// Held-out accuracy of the last evaluation; nil with fewer than two.
  package let after: Double?
  /// Parts of the page without content: `evaluations`, `samples`, `tree`, `timings`,
  /// `summary`.
  package let missing: [String]
  /// Pictures that were written as files; empty unless requested.
  package var pictures: [String] = []

  init(_ record: RunRecord, report: String, bytes: Int) {
    run = record.path
    self.report = report
    self.bytes = bytes
    finished = record.isFinished
    epochs = record.epochCount
    before = record.evaluations.first?.overall.mean
    after = record.evaluations.count > 1 ? record.evaluations.last?.overall.mean : nil
    let present = [
      ("evaluations", !record.evaluations.isEmpty), ("samples", record.before != nil),
      ("tree", record.tree != nil), ("timings", !record.timings.epochs.isEmpty),
      ("summary", record.summary != nil),
    ]
    missing = present.filter { !$0.1 }.map(\.0)
  }
}
