/// One thing wrong with a recipe (an error), or one setting without effect (a warning).
package struct RecipeIssue: Error, Sendable, Hashable, CustomStringConvertible {
  /// Where the value was written.
  package let origin: RecipeOrigin
  /// What is wrong, with what would be right.
  package let message: String

  /// Makes an issue; `message` is a sentence without a full stop.
  package init(_ origin: RecipeOrigin, _ message: String) {
    self.origin = origin
    self.message = message
  }

  /// `file:line:column: message`.
  package var description: String { "\(origin): \(message)" }
}

/// Everything that is wrong with a recipe, found in one reading.
package struct RecipeError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The issues, the file's from top to bottom, then those of `--set`; never empty.
  package let issues: [RecipeIssue]

  /// Sorts the issues by place and keeps one of those that are the same.
  package init(_ issues: [RecipeIssue]) {
    var seen: Set<RecipeIssue> = []
    let ranked = issues.filter { seen.insert($0).inserted }.enumerated().map { offset, issue in
      let (file, line, column) = issue.origin.order
      return (rank: (file, line, column, offset), issue: issue)
    }
    self.issues = ranked.sorted { $0.rank < $1.rank }.map(\.issue)
  }

  /// One line per issue.
  package var description: String {
    issues.map(\.description).joined(separator: "\n")
  }
}
