internal import Foundations

/// The state that the sections of one document share while they are read.
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

  /// The absolute path of a value; a relative one starts from its origin's folder.
  func absolutePath(_ path: String, origin: RecipeOrigin) -> String {
    if case .override = origin { return FileTree.absolutePath(path, in: currentFolder) }
    return FileTree.absolutePath(path, in: folder)
  }
}
