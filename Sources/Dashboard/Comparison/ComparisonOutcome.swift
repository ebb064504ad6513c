import Foundations
import Runs

/// What `tempflow compare --json` prints.
package struct ComparisonOutcome: Codable, Equatable, Sendable {
  /// One method over its seeds; means and standard errors over runs.
  package struct Method: Codable, Equatable, Sendable {
    /// The name in run directories.
    package let name: String
    /// The name in chart and table.
    package let label: String
    /// Names of its run directories.
    package let runs: [String]
    /// The held-out score before training.
    package let before: Double
    /// The held-out score after the seconds of training that every run reached.
    package let after: Double
    /// That score minus the one before, the mean over runs.
    package let gain: Double
    /// Standard error of `gain`; nil with one run.
    package let gainError: Double?

    private enum CodingKeys: String, CodingKey {
      case name, label, runs, before, after, gain
      case gainError = "gain_error"
    }
  }

  /// The chart, SVG.
  package let chart: String
  /// The table, Markdown.
  package let page: String
  /// Seconds of training that every run reached.
  package let budgetSeconds: Double
  /// In the order in which they are listed.
  package let methods: [Method]

  private enum CodingKeys: String, CodingKey {
    case chart, page, methods
    case budgetSeconds = "budget_seconds"
  }
}

extension Comparison {
  /// Writes `compare.svg` and `compare.md` into a folder that exists.
  package func write(
    to folder: String, details: [String]
  ) throws(ReportError) -> ComparisonOutcome {
    let (chart, page) = (folder + "/compare.svg", folder + "/compare.md")
    do throws(FileError) {
      try AtomicFile.write(chartFile(), to: chart)
      try AtomicFile.write(self.page(chartName: "compare.svg", details: details), to: page)
    } catch {
      throw .run(.file(error))
    }
    return ComparisonOutcome(
      chart: chart, page: page, budgetSeconds: budget,
      methods: methods.map { method in
        ComparisonOutcome.Method(
          name: method.name, label: method.label, runs: method.runs.map(\.name),
          before: method.before.mean ?? 0, after: method.after(budget).mean ?? 0,
          gain: method.gain(budget).mean ?? 0, gainError: method.gain(budget).standardError)
      })
  }

  /// The table for a terminal: one line a method, aligned.
  package var text: String {
    let header = ["method", "seeds", "before", "after \(Figures.duration(budget))", "gain"]
    let rows = methods.map { method in
      [
        method.label, "\(method.runs.count)", Comparison.text(method.before),
        Comparison.text(method.after(budget)),
        Comparison.text(method.gain(budget), signed: true),
      ]
    }
    return TextTable(header: header, rows: rows).text
  }
}
