import Foundation
import TestSupport
import Testing

@Suite struct SourceReferenceTests {
  @Test func `every type, function and suite on the page of the paper is in the sources`() throws {
    let words = try words()
    var count = 0
    for table in try Page("docs/paper.md").tables {
      let columns = table.header.indices.filter { ["where", "test"].contains(table.header[$0]) }
      for row in table.rows {
        for name in columns.flatMap({ Page.code(row[$0]) }) {
          for part in name.split(separator: "(")[0].split(separator: ".") {
            count += 1
            #expect(words.contains(part), "\(name)")
          }
        }
      }
    }
    #expect(count > 60)
  }

  /// Every identifier of the Swift sources and tests.
  private func words() throws -> Set<Substring> {
    var words: Set<Substring> = []
    for folder in ["Sources", "Tests"] {
      let root = repositoryFolder() + "/" + folder
      for file in try FileManager.default.subpathsOfDirectory(atPath: root)
      where file.hasSuffix(".swift") {
        let text = try String(contentsOfFile: "\(root)/\(file)", encoding: .utf8)
        words.formUnion(text.split { !($0.isLetter || $0.isNumber || $0 == "_") })
      }
    }
    return words
  }

  @Test func `the README's Swift is the loop of the example`() throws {
    let page = try Page("README.md")
    let start = try #require(page.lines.firstIndex(of: "```swift"))
    let snippet = page.lines[(start + 1)...].prefix { $0 != "```" }
    #expect((9...12).contains(snippet.count))
    let example = try String(
      contentsOfFile: repositoryFolder() + "/Examples/points/Points.swift", encoding: .utf8)
    let block = snippet.map { "      " + $0 }.joined(separator: "\n")
    #expect(example.contains(block))
  }
}
