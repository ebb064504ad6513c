/// A table of plain text: first column flush left, the others flush right, rules around the body.
struct TextTable {
  let header: [String]
  let rows: [[String]]
  /// A row below the second rule, such as a total.
  var footer: [String]?

  /// The lines, joined by line ends, without a last one.
  var text: String {
    let all = [header] + rows + (footer.map { [$0] } ?? [])
    let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    let rule = String(repeating: "-", count: widths.reduce(0, +) + 3 * (widths.count - 1))
    var lines = [line(header, widths), rule] + rows.map { line($0, widths) }
    if let footer { lines += [rule, line(footer, widths)] }
    return lines.joined(separator: "\n")
  }

  private func line(_ cells: [String], _ widths: [Int]) -> String {
    zip(cells, widths).enumerated().map { index, pair in
      let room = String(repeating: " ", count: pair.1 - pair.0.count)
      return index == 0 ? pair.0 + room : room + pair.0
    }.joined(separator: "   ")
  }
}
