import Foundations

extension Comparison {
  /// The comparison as a Markdown page that shows the chart stored beside it.
  ///
  /// `details` are lines about machine and command, each written as a list item.
  package func page(chartName: String, details: [String] = []) -> String {
    var lines = [
      "# Methods at equal training time", "",
      "Held-out \(scale.title) (\(scale.name)) at the time that every run reached; mean ± "
        + "standard error over seeds. Between two evaluations the score is taken on the straight "
        + "line.", "",
      "![Held-out \(scale.title) over training time](\(chartName))", "",
    ]
    lines += table()
    if let sentence = difference() { lines += ["", sentence] }
    if !details.isEmpty { lines += [""] + details.map { "- \($0)" } }
    lines += ["", "Every run, to its own last evaluation:", ""] + runTable()
    return lines.joined(separator: "\n") + "\n"
  }

  private func table() -> [String] {
    var lines = [
      "| method | seeds | before | after \(Figures.duration(budget)) | gain |",
      "|---|---:|---:|---:|---:|",
    ]
    for method in methods {
      lines.append(
        "| \(Comparison.cell(method.label)) | \(method.runs.count) "
          + "| \(Comparison.text(method.before)) | \(Comparison.text(method.after(budget))) "
          + "| \(Comparison.text(method.gain(budget), signed: true)) |")
    }
    return lines
  }

  private func runTable() -> [String] {
    var lines = [
      "| run | before | after | gain | prompts | epochs | training |",
      "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for run in methods.flatMap(\.runs) {
      lines.append(
        "| \(Comparison.cell(run.name))\(run.isFinished ? "" : " (not finished)") "
          + "| \(Figures.fixed(run.before, 3)) "
          + "| \(Figures.fixed(run.after, 3)) | \(Figures.signed(run.after - run.before, 3)) "
          + "| \(run.prompts) | \(run.epochs) "
          + "| \(Figures.duration(run.points[run.points.count - 1].seconds)) |")
    }
    return lines
  }

  /// How far the last method is from the first, in a sentence; nil with fewer than two.
  private func difference() -> String? {
    guard let first = methods.first, let last = methods.last, methods.count > 1,
      let from = first.gain(budget).mean, let to = last.gain(budget).mean
    else { return nil }
    let errors = [first, last].compactMap { $0.gain(budget).standardError }
    let error =
      errors.count == 2
      ? " ± " + Figures.fixed((errors[0] * errors[0] + errors[1] * errors[1]).squareRoot(), 3) : ""
    return "After \(Figures.duration(budget)) of training \(Comparison.cell(last.label)) has "
      + "gained \(Figures.fixed(abs(to - from), 3))\(error) \(to >= from ? "more" : "less") than "
      + "\(Comparison.cell(first.label))."
  }

  /// `0.512 ± 0.008`.
  static func text(_ values: Statistics, signed: Bool = false) -> String {
    guard let mean = values.mean else { return "–" }
    let number = signed ? Figures.signed(mean, 3) : Figures.fixed(mean, 3)
    guard let error = values.standardError else { return number }
    return "\(number) ± \(Figures.fixed(error, 3))"
  }

  /// A name that cannot break a Markdown table.
  private static func cell(_ text: String) -> String {
    text.replacing("\\", with: "\\\\").replacing("|", with: "\\|").replacing("\n", with: " ")
  }
}
