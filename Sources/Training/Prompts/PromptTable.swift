internal import Foundations

/// Prompts in a table with a heading: values separated by commas or tabs, quoted as in RFC 4180.
enum PromptTable {
  /// The rows below the heading. Every row has a value for each column; an empty value is left out.
  static func rows(
    _ text: String, separator: Unicode.Scalar
  ) throws(PromptRow.Fault) -> [PromptRow] {
    var reader = TableReader(text, separator: separator)
    guard let heading = try reader.next() else { return [] }
    let columns = try columns(heading, separator: separator)
    var rows: [PromptRow] = []
    while let row = try reader.next() {
      guard row.cells.count == columns.count else {
        throw .init(
          row.line,
          "found \(row.cells.count) values for the \(columns.count) columns of line "
            + "\(heading.line); put a value with a separator or a line break into quotes")
      }
      let members = zip(columns, row.cells).filter { !$0.isEmpty && (!$1.isEmpty || isPrompt($0)) }
      rows.append(
        try PromptRow(
          line: row.line, members: members.map { .init($0, .string($1)) }))
    }
    return rows
  }

  private static func isPrompt(_ column: String) -> Bool { column == "prompt" }

  /// The names of the columns, the prompt's as `prompt` and a tag's as `tag`. The first name may be
  /// empty, as for a column of row numbers.
  private static func columns(
    _ heading: TableReader.Row, separator: Unicode.Scalar
  ) throws(PromptRow.Fault) -> [String] {
    let names = heading.cells.map(trimmed)
    if names.count == 1, let other = names[0].first(where: { ",;\t".contains($0) }) {
      throw .init(
        heading.line,
        "found one column, \"\(names[0].prefix(60))\"; values are separated by "
          + "\(separator == "," ? "commas in a .csv" : "tabs in a .tsv") file, not by "
          + (other == "\t" ? "tabs" : "\(other)"))
    }
    let prompt = try PromptRow.promptKey(names, line: heading.line)
    let columns = names.map { name in
      name == prompt ? "prompt" : name.lowercased() == "tag" ? "tag" : name
    }
    let twice = columns.indices.first { index in
      columns[..<index].contains(columns[index]) || (columns[index].isEmpty && index > 0)
    }
    if let twice {
      throw .init(
        heading.line,
        "column \(twice + 1) is \"\(columns[twice])\", which is "
          + (columns[twice].isEmpty ? "empty" : "there already")
          + "; give every column a unique name")
    }
    return columns
  }

  private static func trimmed(_ text: String) -> String {
    let isSpace = { (character: Character) in character.isWhitespace }
    let start = text.drop(while: isSpace)
    return String(start.reversed().drop(while: isSpace).reversed())
  }
}

/// Reads the rows of a table one by one.
private struct TableReader {
  struct Row {
    /// The row's first line, from 1.
    var line: Int
    var cells: [String]
  }

  private let scalars: [Unicode.Scalar]
  private let separator: Unicode.Scalar
  private var position = 0
  private var line = 1

  init(_ text: String, separator: Unicode.Scalar) {
    scalars = Array(text.unicodeScalars)
    self.separator = separator
  }

  private var peek: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

  /// The next nonempty row; nil at the end.
  mutating func next() throws(PromptRow.Fault) -> Row? {
    while peek != nil {
      var row = Row(line: line, cells: [try cell()])
      while peek == separator {
        position += 1
        row.cells.append(try cell())
      }
      endLine()
      let isEmpty = row.cells.allSatisfy { $0.allSatisfy(\.isWhitespace) }
      if !isEmpty { return row }
    }
    return nil
  }

  /// A value up to a separator or the end of a line. Inside an unquoted value, a quote is an
  /// ordinary character.
  private mutating func cell() throws(PromptRow.Fault) -> String {
    if peek == "\"" { return try quoted() }
    var text = String.UnicodeScalarView()
    while let scalar = peek, scalar != separator, scalar != "\n", scalar != "\r" {
      text.append(scalar)
      position += 1
    }
    return String(text)
  }

  private mutating func quoted() throws(PromptRow.Fault) -> String {
    let start = line
    position += 1
    var text = String.UnicodeScalarView()
    while let scalar = peek {
      position += 1
      if scalar == "\"" {
        guard peek == "\"" else {
          if let next = peek, next != separator, next != "\n", next != "\r" {
            throw .init(
              line, "found text after a closing quote; double every quote within a quoted value")
          }
          return String(text)
        }
        position += 1
      } else if scalar == "\n" {
        line += 1
      }
      text.append(scalar)
    }
    throw .init(start, "a quoted value without its closing quote")
  }

  /// Skips `\n`, `\r\n` or `\r`.
  private mutating func endLine() {
    if peek == "\r" {
      position += 1
      if peek != "\n" { line += 1 }
    }
    if peek == "\n" {
      position += 1
      line += 1
    }
  }
}
