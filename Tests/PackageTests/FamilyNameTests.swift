import Testing

/// The folder of each family of models in `Sources/DiffusionModels`, and the prefixes of its types'
/// names.
private let families = [
  (folder: "StableDiffusion3", prefixes: ["SD3", "StableDiffusion3"]),
  (folder: "Flux", prefixes: ["Flux"]),
  (folder: "QwenImage", prefixes: ["QwenImage"]),
]

@Suite struct FamilyNameTests {
  @Test func `no file outside a family's folder and the registry has the name of its types`() throws
  {
    let files = try SourceTree.swiftFiles(in: "Sources")
    #expect(files.count > 100)
    for (folder, prefixes) in families {
      let own = "Sources/DiffusionModels/\(folder)/"
      #expect(files.contains { $0.hasPrefix(own) })
      for file in files where !file.hasPrefix(own) && !file.hasSuffix("/FlowModelRegistry.swift") {
        for (number, line) in try SourceTree.lines(of: file).enumerated() {
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
