/// Columns of plain text, as wide as their longest cell.
package struct TextTable {
  /// How the cells of a column stand.
  package struct Column {
    let isRight: Bool
    let minimumWidth: Int

    /// Flush left.
    package static func left(_ minimumWidth: Int = 0) -> Column {
      Column(isRight: false, minimumWidth: minimumWidth)
    }

    /// Flush right.
    package static func right(_ minimumWidth: Int = 0) -> Column {
      Column(isRight: true, minimumWidth: minimumWidth)
    }
  }

  private let columns: [Column]
  private let separator: String
  private let header: [String]?
  private let isRuled: Bool
  private let rows: [[String]]
  private let footer: [String]?

  /// A table without rules.
  ///
  /// - Parameters:
  ///   - separator: stands between two cells of a row.
  ///   - rows: one cell a column; a row without cells is an empty line.
  package init(
    columns: [Column], separator: String = "  ", header: [String]? = nil, rows: [[String]]
  ) {
    self.columns = columns
    self.separator = separator
    self.header = header
    self.rows = rows
    isRuled = false
    footer = nil
  }

  /// A table with a rule below its header: the first column flush left, the others flush right.
  ///
  /// - Parameter footer: a row below a second rule, such as a total.
  package init(header: [String], rows: [[String]], footer: [String]? = nil) {
    columns = header.indices.map { $0 == 0 ? .left() : .right() }
    separator = "   "
    self.header = header
    self.rows = rows
    self.footer = footer
    isRuled = true
  }

  /// The lines, joined by line ends, without a last one.
  package var text: String {
    let all = [header].compactMap { $0 } + rows + [footer].compactMap { $0 }
    let widths = columns.indices.map { column in
      all.compactMap { $0.isEmpty ? nil : $0[column].count }
        .reduce(columns[column].minimumWidth, max)
    }
    let rule = String(
      repeating: "-", count: widths.reduce(0, +) + separator.count * (widths.count - 1))
    var lines: [String] = []
    if let header { lines.append(line(header, widths)) }
    if isRuled { lines.append(rule) }
    lines += rows.map { line($0, widths) }
    if let footer { lines += [rule, line(footer, widths)] }
    return lines.joined(separator: "\n")
  }

  /// Cells of a last column that is flush left are not padded.
  private func line(_ cells: [String], _ widths: [Int]) -> String {
    cells.indices.map { index in
      let room = String(repeating: " ", count: widths[index] - cells[index].count)
      if columns[index].isRight { return room + cells[index] }
      return index == columns.count - 1 ? cells[index] : cells[index] + room
    }.joined(separator: separator)
  }
}
