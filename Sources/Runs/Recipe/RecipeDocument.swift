import Foundation

/// A recipe file with the settings of `--set` put in, before its keys are read.
///
///     let document = try RecipeDocument(path: "Recipes/shapes.yaml", overrides: ["epochs=3"])
///     let recipe = try document.read { root in
///       Settings(
///         epochs: root.int("epochs", in: 1...), seed: root.int("seed", in: 0..., default: 0))
///     }
package struct RecipeDocument {
  /// The name that errors give the file.
  package let name: String
  private let root: RecipeNode
  private let folder: String
  private let currentFolder: String

  /// Reads a recipe file.
  ///
  /// - Parameters:
  ///   - path: the file; relative paths inside it start from its folder.
  ///   - overrides: `key.key=value` each, the value in YAML; later ones win.
  ///   - currentFolder: what relative paths in overrides start from.
  /// - Throws: everything wrong with the file as YAML and with the overrides.
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
  ///   - name: what errors call the text.
  ///   - folder: what relative paths in the text start from, absolute.
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
    for override in overrides {
      do throws(RecipeIssue) {
        try RecipeOverride(override).apply(to: &root)
      } catch {
        issues.append(error)
      }
    }
    guard issues.isEmpty else { throw RecipeError(issues) }
    self.name = name
    self.root = root
    self.folder = folder
    self.currentFolder = currentFolder
  }

  /// Reads the settings with a closure that asks the root section for every key.
  ///
  /// The closure gets valid stand-ins for faulty values, so that it can go on and every error is
  /// found; what it returns is dropped if there was one.
  ///
  /// - Parameter renamed: keys and values that had other names once, for the errors about them.
  /// - Throws: every wrong type, value out of range, missing key and unknown key.
  package func read<Settings>(
    renamed: RenamedKeys = RenamedKeys(), _ body: (RecipeSection) -> Settings
  ) throws(RecipeError) -> Recipe<Settings> {
    let reading = RecipeReading(
      folder: folder, currentFolder: currentFolder, renamed: renamed)
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

/// A recipe that was read without errors.
package struct Recipe<Settings> {
  /// What the reading closure made of it.
  package let settings: Settings
  /// Every value, given or default.
  package let resolved: ResolvedRecipe
  /// Settings without effect, and what else the closure warned of.
  package let warnings: [RecipeIssue]
}

extension Recipe: Sendable where Settings: Sendable {}
