import Foundation
import Testing

/// The folder of each family of models in `Sources/DiffusionModels`, and what the names of its types
/// begin with.
private let families = [(folder: "StableDiffusion3", prefixes: ["SD3", "StableDiffusion3"])]

@Suite struct FamilyNameTests {
  @Test func `no file outside a family's folder and the registry has the name of its types`() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Sources")
    let files = try FileManager.default.subpathsOfDirectory(atPath: root.path())
      .filter { $0.hasSuffix(".swift") }
    #expect(files.count > 100)
    for (folder, prefixes) in families {
      let own = "DiffusionModels/\(folder)/"
      #expect(files.contains { $0.hasPrefix(own) })
      for file in files where !file.hasPrefix(own) && !file.hasSuffix("/FlowModelRegistry.swift") {
        let text = try String(contentsOf: root.appending(path: file), encoding: .utf8)
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false)
          .enumerated()
        {
          // Diffusers' own class names are strings and comments of formats.
          let code = line.split(separator: "//", maxSplits: 1, omittingEmptySubsequences: false)[0]
          let words = code.split { !$0.isLetter && !$0.isNumber && $0 != "_" }
          for word in words where prefixes.contains(where: { word.hasPrefix($0) }) {
            Issue.record("\(file):\(number + 1): \(word)")
          }
        }
      }
    }
  }
}
