/// What the sections of one document share while they are read.
final class RecipeReading {
  /// The folder that the recipe's relative paths start from, absolute.
  let folder: String
  /// The folder that relative paths of `--set` start from, absolute.
  let currentFolder: String
  let renamed: RenamedKeys
  var issues: [RecipeIssue] = []
  var warnings: [RecipeIssue] = []

  init(folder: String, currentFolder: String, renamed: RenamedKeys) {
    self.folder = folder
    self.currentFolder = currentFolder
    self.renamed = renamed
  }

  /// A path as an absolute one without `.`, `..` and doubled slashes.
  func absolutePath(_ path: String, origin: RecipeOrigin) -> String {
    if case .override = origin { return Self.normalized(path, in: currentFolder) }
    return Self.normalized(path, in: folder)
  }

  /// Joins by text alone: nothing is looked up on disk.
  static func normalized(_ path: String, in folder: String) -> String {
    let whole = path.hasPrefix("/") ? path : folder + "/" + path
    var parts: [Substring] = []
    for part in whole.split(separator: "/") where part != "." {
      if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return "/" + parts.joined(separator: "/")
  }
}
