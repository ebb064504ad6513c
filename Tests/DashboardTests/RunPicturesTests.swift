import Dashboard
import Foundation
import Testing

struct RunPicturesTests {
  @Test func `the pictures of a run are standalone SVG files`() throws {
    try withTemporaryFolder { folder in
      try SyntheticRun(folder + "/demo").write()
      let files = try RunPictures.write(run: folder + "/demo", to: folder + "/new/pictures")
      #expect(
        files == ["before-after.svg", "branch-tree.svg"].map { "\(folder)/new/pictures/\($0)" })
      for file in files {
        let text = try String(contentsOfFile: file, encoding: .utf8)
        #expect(text.hasPrefix("<svg ") && text.contains("xmlns=\"http://www.w3.org/2000/svg\""))
        #expect(text.contains("<style>") && text.contains(".good{color:"))
        let links = text.matches(of: /href="([^"]*)"/).map(\.output.1)
        #expect(!links.isEmpty && links.allSatisfy { $0.hasPrefix("data:image/png;base64,") })
      }
    }
  }

  @Test func `the strip has eight samples spread over the grid, each before and after`() throws {
    try withTemporaryFolder { folder in
      try SyntheticRun(folder).write()
      let file = try #require(try RunPictures.write(run: folder, to: folder).first)
      let text = try String(contentsOfFile: file, encoding: .utf8)
      #expect(text.matches(of: /<image\s/).count == 16)
      #expect(text.contains(">before</text>") && text.contains(">after</text>"))
      #expect(text.matches(of: /[✓✗]/).count == 16)
    }
  }

  @Test func `source images of edits are above the samples`() throws {
    try withTemporaryFolder { folder in
      var run = SyntheticRun(folder)
      run.hasSources = true
      try run.write()
      let file = try #require(try RunPictures.write(run: folder, to: folder).first)
      let text = try String(contentsOfFile: file, encoding: .utf8)
      #expect(text.matches(of: /<image\s/).count == 24)
      #expect(text.contains(">source</text>") && text.matches(of: /[✓✗]/).count == 16)
    }
  }

  @Test func `a run without samples and tree has no pictures`() throws {
    try withTemporaryFolder { folder in
      let run = SyntheticRun(folder)
      try run.writeRecipe()
      try run.writeLogs()
      #expect(try RunPictures.write(run: folder, to: folder + "/pictures").isEmpty)
    }
  }
}
