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
  "ProcessGroups": ["Foundations", "CTorch", "Torch"],
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
    "Rewards", "ProcessGroups",
  ],
  "Dashboard": ["Foundations", "Recipes", "Runs", "ImageFiles"],
  "TempFlowCLI": [
    "Training", "Dashboard", "CPUKernels", "Foundations", "Recipes", "Runs", "Torch", "TorchNN",
    "DiffusionModels", "FlowMatching", "ImageFiles", "Rewards", "ProcessGroups",
  ],
  "points": ["TempFlow"],
]

@Suite struct DependencyTests {
  @Test func `no target imports one that its layer may not see`() throws {
    let targets = try Manifest.ofPackage().targets
    let layered = targets.filter(\.isLayered)
    let names = Set(targets.map(\.name))
    #expect(Set(layered.map(\.name)) == Set(allowed.keys))
    for target in layered {
      let edges = Set(target.dependencies.map(\.name)).intersection(names)
      let forbidden = edges.subtracting(allowed[target.name] ?? [])
      #expect(forbidden.isEmpty, "\(target.name) imports \(forbidden.sorted())")
    }
  }

  @Test func `the table of layers has every target above those that it imports`() throws {
    let layers = try documentedLayers()
    let targets = try Manifest.ofPackage().targets.filter { $0.isLayered && $0.name != "points" }
    #expect(Set(targets.map(\.name)) == Set(layers.keys))
    for target in targets {
      let layer = try #require(layers[target.name])
      for name in target.dependencies.map(\.name) {
        guard let below = layers[name] else { continue }
        #expect(below < layer, "\(target.name) (\(layer)) imports \(name) (\(below))")
      }
    }
  }

  @Test func `a target declares the modules that its files import, and no others`() throws {
    let targets = try Manifest.ofPackage().targets
    let modules = Set(targets.flatMap { [$0.name] + $0.dependencies.map(\.name) })
    // Programs are built for a test that starts them; every test target has TestSupport.
    let notImported = Set(targets.filter { $0.type == "executable" }.map(\.name) + ["TestSupport"])
    var count = 0
    for target in targets {
      let files = try SourceTree.swiftFiles(in: target.folder)
      guard !files.isEmpty else { continue }
      count += 1
      let imported = Set(try files.flatMap { try importedModules(of: $0) })
        .intersection(modules).subtracting([target.name])
      let declared = Set(target.dependencies.map(\.name))
      let undeclared = imported.subtracting(declared).sorted()
      let unused = declared.subtracting(imported).subtracting(notImported).sorted()
      #expect(undeclared.isEmpty, "\(target.name) imports \(undeclared) without declaring it")
      #expect(unused.isEmpty, "\(target.name) declares \(unused) without importing it")
    }
    #expect(count > 20)
  }
}

/// Target -> layer, from the rows `| layer | targets | content |` of `docs/architecture.md`.
private func documentedLayers() throws -> [String: Int] {
  var layers: [String: Int] = [:]
  for line in try SourceTree.lines(of: "docs/architecture.md") {
    let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
    guard cells.count == 3, let layer = Int(cells[0]) else { continue }
    for name in cells[1].split(separator: ", ") {
      layers[name.trimmingCharacters(in: ["`"])] = layer
    }
  }
  return layers
}

/// The modules in the import lines of a file.
private func importedModules(of file: String) throws -> [String] {
  let kinds = ["struct", "class", "enum", "protocol", "typealias", "func", "let", "var"]
  let access = ["public", "package", "internal", "fileprivate", "private"]
  return try SourceTree.lines(of: file).compactMap { line in
    let words = line.split(separator: " ")
      .drop { $0.hasPrefix("@") || access.contains(String($0)) }
    guard words.first == "import" else { return nil }
    let path = words.dropFirst().first { !kinds.contains(String($0)) }
    return path?.split(separator: ".").first.map(String.init)
  }
}
