import Testing

/// Files with a longer line.
private let exceptions: Set<String> = [
  "Sources/DiffusionModels/Model/FlowModel+Sampling.swift",
  "Sources/DiffusionModels/Model/FlowModel.swift",
  "Sources/Recipes/RecipeSection.swift",
  "Sources/TempFlowCLI/ModelOptions.swift",
  "Sources/TempFlowCLI/PlanCommand.swift",
  "Sources/TempFlowCLI/PretrainCommand.swift",
]

@Suite struct LineLengthTests {
  @Test func `no line of Sources and of the manifest exceeds 100 columns`() throws {
    let files = try SourceTree.swiftFiles(in: "Sources")
    #expect(files.count > 100)
    for file in files + ["Package.swift"] where !exceptions.contains(file) {
      for (number, line) in try SourceTree.lines(of: file).enumerated() where line.count > 100 {
        Issue.record("\(file):\(number + 1) has \(line.count) columns")
      }
    }
  }
}
