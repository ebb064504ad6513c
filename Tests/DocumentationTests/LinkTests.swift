import Foundation
import TestSupport
import Testing

@Suite struct LinkTests {
  @Test func `every relative link leads to a file, and its anchor to a heading`() throws {
    var count = 0
    for path in try Page.all() {
      let page = try Page(path)
      let folder = URL(filePath: repositoryFolder() + "/" + path).deletingLastPathComponent()
      for match in page.text.matches(of: /\]\(([^)\s]+)\)/) {
        let link = String(match.output.1)
        guard !link.hasPrefix("http"), !link.hasPrefix("mailto:") else { continue }
        count += 1
        let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        let target =
          parts[0].isEmpty
          ? URL(filePath: repositoryFolder() + "/" + path)
          : folder.appending(path: parts[0]).standardizedFileURL
        guard FileManager.default.fileExists(atPath: target.path) else {
          Issue.record("\(path): \(link) leads nowhere")
          continue
        }
        if parts.count == 2 {
          let text = try String(contentsOf: target, encoding: .utf8)
          #expect(anchors(text).contains(String(parts[1])), "\(path): \(link)")
        }
      }
    }
    #expect(count > 50)
  }

  /// The anchors of a page's headings: lower case, letters, digits, hyphens and underscores.
  private func anchors(_ text: String) -> Set<String> {
    Set(
      text.split(separator: "\n").filter { $0.hasPrefix("#") }.map { line in
        line.drop { $0 == "#" }.trimmingCharacters(in: .whitespaces).lowercased()
          .replacing(" ", with: "-").filter { $0.isLetter || $0.isNumber || "-_".contains($0) }
      })
  }

  @Test func `the picture of the architecture has every target of the table`() throws {
    let picture = try String(
      contentsOfFile: repositoryFolder() + "/docs/pictures/architecture.svg", encoding: .utf8)
    let drawn = Set(picture.matches(of: /class="name"[^>]*>([^<]+)</).map { String($0.output.1) })
    let targets = try Page("docs/architecture.md").rows(header: "layer").flatMap {
      Page.code($0[1])
    }
    #expect(drawn == Set(targets), "run Tools/architecture_picture.py")
    let manifest = try String(
      contentsOfFile: repositoryFolder() + "/Package.swift", encoding: .utf8)
    let libraries = manifest.matches(of: /library\(\s*"([^"]+)"/).map { String($0.output.1) }
    #expect(!libraries.isEmpty && drawn.isSuperset(of: libraries))
  }
}
