internal import Foundations

/// The state that the sections of one document share while they are read.
final class RecipeReading {
  /// The folder that the recipe's relative paths start from, absolute.
  let folder: String
  /// The folder that relative paths of `--set` start from, absolute.
  let currentFolder: String
  let renamed: RenamedKeys
  /// Keys that an option of the command gives -> the option.
  let options: [String: String]
  var issues: [RecipeIssue] = []
  var warnings: [RecipeIssue] = []

  init(
    folder: String, currentFolder: String, renamed: RenamedKeys, options: [String: String]
  ) {
    self.folder = folder
    self.currentFolder = currentFolder
    self.renamed = renamed
    self.options = options
  }

  /// The absolute path of a value; a relative one starts from its origin's folder.
  func absolutePath(_ path: String, origin: RecipeOrigin) -> String {
    FileTree.absolutePath(path, in: origin.key == nil ? folder : currentFolder)
  }
}
