import Foundation
import Testing

/// What each target may import, of this package.
private let allowed: [String: Set<String>] = [
  "CTorch": [], "CPNG": [], "CTurboJPEG": [], "CCurl": [],
  "CRowThreads": ["CTorch"],
  "CCPUKernels": ["CTorch", "CRowThreads"],
  "Foundations": [],
  "Recipes": ["Foundations"],
  "Runs": ["Foundations"],
  "Torch": ["Foundations", "CTorch", "CRowThreads"],
  "TextTokenizers": ["Foundations"],
  "ImageFiles": ["Foundations", "CPNG", "CTurboJPEG"],
  "ShapeScenes": ["Foundations", "ImageFiles"],
  "TorchNN": ["Torch"],
  "CPUKernels": ["CCPUKernels", "Torch", "TorchNN"],
  "FlowMatching": ["Torch"],
  "DiffusionModels": [
    "Foundations", "Torch", "TorchNN", "TextTokenizers", "FlowMatching", "ImageFiles",
  ],
  "TempFlow": ["Foundations", "Torch", "FlowMatching"],
  "Rewards": [
    "CCurl", "Foundations", "Recipes", "Torch", "TorchNN", "DiffusionModels", "TextTokenizers",
    "ImageFiles", "ShapeScenes",
  ],
  "Training": [
    "Foundations", "Recipes", "Runs", "Torch", "TorchNN", "FlowMatching", "TempFlow",
    "DiffusionModels", "TextTokenizers", "ImageFiles", "ShapeScenes",
    "Rewards",
  ],
  "Dashboard": ["Foundations", "Recipes", "Runs", "ImageFiles"],
  "TempFlowCLI": [
    "Training", "Dashboard", "CPUKernels", "Foundations", "Recipes", "Runs", "Torch", "TorchNN",
    "DiffusionModels", "FlowMatching", "ImageFiles", "Rewards", "ShapeScenes",
  ],
  "points": ["TempFlow"],
]

private struct Manifest: Decodable {
  struct Target: Decodable {
    let name: String
    let type: String
    let dependencies: [Dependency]
  }
  /// `{"byName": ["Torch", null]}`, `{"target": […]}` or `{"product": ["Yams", "Yams", …]}`
  struct Dependency: Decodable {
    let name: String?
    init(from decoder: any Decoder) throws {
      let values = try decoder.singleValueContainer().decode([String: [Name?]].self)
      name = (values["byName"] ?? values["target"])?.first??.value
    }
    struct Name: Decodable {
      let value: String?
      init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        do { value = try container.decode(String.self) } catch is DecodingError { value = nil }
      }
    }
  }
  let targets: [Target]
}

@Suite struct DependencyTests {
  private let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  @Test func `no target imports one that its layer may not see`() throws {
    let targets = try libraries()
    #expect(Set(targets.map(\.name)) == Set(allowed.keys))
    for target in targets {
      let edges = Set(target.dependencies.compactMap(\.name))
      let forbidden = edges.subtracting(allowed[target.name] ?? [])
      #expect(forbidden.isEmpty, "\(target.name) imports \(forbidden.sorted())")
    }
  }

  @Test func `the table of layers has every target above those that it imports`() throws {
    let layers = try documentedLayers()
    let targets = try libraries().filter { $0.name != "points" }
    #expect(Set(targets.map(\.name)) == Set(layers.keys))
    for target in targets {
      let layer = try #require(layers[target.name])
      for name in target.dependencies.compactMap(\.name) {
        guard let below = layers[name] else { continue }
        #expect(below < layer, "\(target.name) (\(layer)) imports \(name) (\(below))")
      }
    }
  }

  /// Target -> layer, from the rows `| layer | targets | content |` of `docs/architecture.md`.
  private func documentedLayers() throws -> [String: Int] {
    let text = try String(contentsOf: root.appending(path: "docs/architecture.md"), encoding: .utf8)
    var layers: [String: Int] = [:]
    for line in text.split(separator: "\n") {
      let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
      guard cells.count == 3, let layer = Int(cells[0]) else { continue }
      for name in cells[1].split(separator: ", ") {
        layers[name.trimmingCharacters(in: ["`"])] = layer
      }
    }
    return layers
  }

  /// The targets of the package without its tests.
  private func libraries() throws -> [Manifest.Target] {
    let scratch = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    defer { do { try FileManager.default.removeItem(at: scratch) } catch {} }
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [
      "swift", "package", "--package-path", root.path(), "--scratch-path", scratch.path(),
      "dump-package",
    ]
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return try JSONDecoder().decode(Manifest.self, from: data).targets
      .filter { $0.type != "test" && $0.name != "TestSupport" }
  }
}
