import Foundation

/// A recipe file with the overrides of `--set`, before its keys are read.
///
///     let document = try RecipeDocument(path: "Recipes/shapes.yaml", overrides: ["epochs=3"])
///     let recipe = try document.read { root in
///       Settings(
///         epochs: root.int("epochs", in: 1...), seed: root.int("seed", in: 0..., default: 0))
///     }
package struct RecipeDocument {
  /// The file's name in errors.
  package let name: String
  private let root: RecipeNode
  private let folder: String
  private let currentFolder: String
  /// Keys that an option of the command gives -> the option.
  private let options: [String: String]

  /// Reads a recipe file.
  ///
  /// - Parameters:
  ///   - path: the file; relative paths inside it start from its folder.
  ///   - overrides: `key.key=value` each, the value in YAML; later ones win.
  ///   - currentFolder: the folder that relative paths in overrides start from.
  /// - Throws: every error of the file as YAML and of the overrides.
  package init(
    path: String, overrides: [String] = [],
    currentFolder: String = FileManager.default.currentDirectoryPath
  ) throws(RecipeError) {
    let origin = RecipeOrigin.file(name: path, line: 1, column: 1)
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      let exists = FileManager.default.fileExists(atPath: path)
      let reason = exists ? "cannot be read: \(error.localizedDescription)" : "no such file"
      throw RecipeError([RecipeIssue(origin, reason)])
    }
    guard let text = String(validating: data, as: UTF8.self) else {
      throw RecipeError([RecipeIssue(origin, "is not UTF-8 text")])
    }
    let file = URL(fileURLWithPath: path).resolvingSymlinksInPath()
    try self.init(
      text: text, name: path, folder: file.deletingLastPathComponent().path,
      overrides: overrides, currentFolder: currentFolder)
  }

  /// Reads a recipe from text, as `init(path:overrides:currentFolder:)` does from a file.
  ///
  /// - Parameters:
  ///   - name: the text's name in errors.
  ///   - folder: the absolute folder that relative paths in the text start from.
  package init(
    text: String, name: String, folder: String, overrides: [String] = [],
    currentFolder: String = FileManager.default.currentDirectoryPath
  ) throws(RecipeError) {
    var composer = RecipeComposer { .file(name: name, line: $0, column: $1) }
    let start = RecipeOrigin.file(name: name, line: 1, column: 1)
    var root =
      composer.compose(text) ?? RecipeNode(content: .section([]), origin: start)
    var issues = composer.issues
    if root.isNull { root.content = .section([]) }
    if case .section = root.content {
    } else {
      issues.append(root.issue(expected: "a section of key: value lines"))
    }
    issues += Self.apply(overrides, to: &root)
    guard issues.isEmpty else { throw RecipeError(issues) }
    self.name = name
    self.root = root
    self.folder = folder
    self.currentFolder = currentFolder
    options = [:]
  }

  /// Makes a document without a file, from an option of a command and its `--set`.
  ///
  /// - Parameters:
  ///   - option: the option that gives `key`, such as `--reward`.
  ///   - value: its value, a text.
  ///   - options: further keys that an option gives -> the option; the error about a missing key
  ///     contains it.
  ///   - currentFolder: the folder that relative paths start from.
  package init(
    option: String, key: String, value: String, options: [String: String] = [:],
    overrides: [String] = [],
    currentFolder: String = FileManager.default.currentDirectoryPath
  ) throws(RecipeError) {
    let origin = RecipeOrigin.option("\(option) \(value)", key: key)
    let scalar = RecipeScalar(text: value, isPlain: false)
    let entry = RecipeEntry(
      key: key, keyOrigin: origin, value: RecipeNode(content: .scalar(scalar), origin: origin))
    var root = RecipeNode(content: .section([entry]), origin: origin)
    let issues = Self.apply(overrides, to: &root)
    guard issues.isEmpty else { throw RecipeError(issues) }
    name = origin.description
    self.root = root
    folder = currentFolder
    self.currentFolder = currentFolder
    self.options = options
  }

  /// Puts the values of `--set` into the tree and returns the issues of those that do not fit.
  private static func apply(_ overrides: [String], to root: inout RecipeNode) -> [RecipeIssue] {
    var issues: [RecipeIssue] = []
    for override in overrides {
      do throws(RecipeIssue) {
        try RecipeOverride(override).apply(to: &root)
      } catch {
        issues.append(error)
      }
    }
    return issues
  }

  /// Reads the settings with a closure that calls a getter of the root section for every key.
  ///
  /// A getter returns a valid stand-in for a faulty value, so that one reading finds every error.
  /// What the closure returns is dropped if there was one.
  ///
  /// - Parameter renamed: keys and values that had other names; errors give the new ones.
  /// - Throws: every wrong type, value out of range, missing key and unknown key.
  package func read<Settings>(
    renamed: RenamedKeys = RenamedKeys(), _ body: (RecipeSection) -> Settings
  ) throws(RecipeError) -> Recipe<Settings> {
    let reading = RecipeReading(
      folder: folder, currentFolder: currentFolder, renamed: renamed, options: options)
    var entries: [RecipeEntry] = []
    if case .section(let found) = root.content { entries = found }
    let section = RecipeSection(path: "", origin: root.origin, entries: entries, reading: reading)
    let settings = body(section)
    section.finish(root: section)
    guard reading.issues.isEmpty else { throw RecipeError(reading.issues) }
    return Recipe(
      settings: settings, resolved: ResolvedRecipe(section), warnings: reading.warnings)
  }
}

extension RecipeDocument {
  /// The keys at the top, in the order of the file.
  package var keys: [String] {
    guard case .section(let entries) = root.content else { return [] }
    return entries.map(\.key)
  }

  /// An error about the document as a whole.
  package func error(_ message: String) -> RecipeError {
    RecipeError([RecipeIssue(root.origin, message)])
  }

  /// The text of a scalar by the dotted path of its key, without quotes; nil without such a scalar.
  package func text(at path: String) -> String? {
    guard let node = node(at: path) else { return nil }
    guard case .scalar(let scalar) = node.content, !scalar.isNull else { return nil }
    return scalar.text
  }

  /// The texts of a list's scalars by the dotted path of its key; of a scalar, its own; empty
  /// without either.
  package func texts(at path: String) -> [String] {
    guard case .list(let items)? = node(at: path)?.content else {
      return text(at: path).map { [$0] } ?? []
    }
    return items.compactMap { item in
      if case .scalar(let scalar) = item.content { scalar.text } else { nil }
    }
  }

  /// Every scalar, and every list of scalars as `[a, b]`, by the dotted path of its key, in order.
  package var leaves: [(path: String, text: String)] {
    func leaves(_ node: RecipeNode, _ path: String) -> [(path: String, text: String)] {
      func inside(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
      switch node.content {
      case .scalar(let scalar): return [(path, scalar.isNull ? "null" : scalar.text)]
      case .section(let entries): return entries.flatMap { leaves($0.value, inside($0.key)) }
      case .list(let items):
        let parts = items.enumerated().map { leaves($1, inside("\($0)")) }
        let isFlat = items.allSatisfy { if case .section = $0.content { false } else { true } }
        guard isFlat else { return parts.flatMap(\.self) }
        return [(path, "[\(parts.joined().map(\.text).joined(separator: ", "))]")]
      }
    }
    return leaves(root, "")
  }

  private func node(at path: String) -> RecipeNode? {
    var node = root
    for key in path.split(separator: ".") {
      guard case .section(let entries) = node.content,
        let entry = entries.first(where: { $0.key == key })
      else { return nil }
      node = entry.value
    }
    return node
  }
}

/// A recipe that was read without errors.
package struct Recipe<Settings> {
  /// The value of the reading closure.
  package let settings: Settings
  /// Every value, given or default.
  package let resolved: ResolvedRecipe
  /// Settings without effect, and the closure's other warnings.
  package let warnings: [RecipeIssue]
}

extension Recipe: Sendable where Settings: Sendable {}
