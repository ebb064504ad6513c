/// The place where a value of a recipe is written.
package enum RecipeOrigin: Sendable, Hashable {
  /// In a file; line and column start from 1, the column counts Unicode scalars.
  case file(name: String, line: Int, column: Int)
  /// On the command line, as `--set path=value`.
  case override(path: String)
  /// On the command line, as an option of the command that gives a key: `--reward shapes`.
  case option(String, key: String)
}

extension RecipeOrigin: CustomStringConvertible {
  /// `file:line:column`, `--set path`, or the option with its value.
  package var description: String {
    switch self {
    case .file(let name, let line, let column): "\(name):\(line):\(column)"
    case .override(let path): "--set \(path)"
    case .option(let text, _): text
    }
  }
}

extension RecipeOrigin {
  /// The dotted path of the key that the command line gives here; nil in a file.
  var key: String? {
    switch self {
    case .file: nil
    case .override(let path), .option(_, key: let path): path
    }
  }
}

extension RecipeOrigin {
  /// The order of issues: the file from top to bottom, then the command line.
  var order: (Int, Int, Int) {
    switch self {
    case .file(_, let line, let column): (0, line, column)
    case .override, .option: (1, 0, 0)
    }
  }
}
