import Foundation
import TestSupport

/// A Markdown page of the repository.
struct Page {
  /// The path from the repository's folder.
  let path: String
  let text: String
  let lines: [String]

  init(_ path: String) throws {
    self.path = path
    text = try String(contentsOfFile: repositoryFolder() + "/" + path, encoding: .utf8)
    lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  /// README, CONTRIBUTING, the benchmarks' README and every page of `docs`, sorted.
  static func all() throws -> [String] {
    let docs = try FileManager.default.subpathsOfDirectory(atPath: repositoryFolder() + "/docs")
    return ["README.md", "CONTRIBUTING.md", "Benchmarks/README.md"]
      + docs.filter { $0.hasSuffix(".md") }.map { "docs/" + $0 }.sorted()
  }

  /// The rows of a table, cell by cell, with the heading above it.
  struct Table {
    /// The last heading before the table, without its number signs.
    let heading: String
    let header: [String]
    var rows: [[String]]
  }

  /// Every table of the page, in order.
  var tables: [Table] {
    var tables: [Table] = []
    var heading = ""
    var isInside = false
    for line in lines {
      if line.hasPrefix("#") {
        heading = line.drop { $0 == "#" }.trimmingCharacters(in: .whitespaces)
      }
      guard line.hasPrefix("|") else {
        isInside = false
        continue
      }
      let cells = Self.cells(line)
      if !isInside {
        tables.append(Table(heading: heading, header: cells, rows: []))
        isInside = true
      } else if !line.hasPrefix("|--") {
        tables[tables.count - 1].rows.append(cells)
      }
    }
    return tables
  }

  /// The rows of all tables whose first column has this header.
  func rows(header: String) -> [[String]] {
    tables.filter { $0.header.first == header }.flatMap(\.rows)
  }

  /// The texts between backticks, outside fenced blocks.
  static func code(_ text: String) -> [String] {
    text.replacing(/(?s)```.*?```/, with: "").matches(of: /`([^`]+)`/).map {
      String($0.output.1)
    }
  }

  private static func cells(_ line: String) -> [String] {
    line.replacing("\\|", with: "\u{1}").split(separator: "|", omittingEmptySubsequences: false)
      .dropFirst().dropLast().map {
        $0.trimmingCharacters(in: .whitespaces).replacing("\u{1}", with: "|")
      }
  }
}
