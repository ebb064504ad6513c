import Testing

@Suite struct LineLengthTests {
  @Test func `no line of Sources and of the manifest exceeds 100 columns`() throws {
    let files = try SourceTree.swiftFiles(in: "Sources")
    #expect(files.count > 100)
    for file in files + ["Package.swift"] {
      for (number, line) in try SourceTree.lines(of: file).enumerated() where line.count > 100 {
        Issue.record("\(file):\(number + 1) has \(line.count) columns")
      }
    }
  }
}
