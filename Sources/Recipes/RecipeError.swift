/// One error of a recipe, or one warning about it.
package struct RecipeIssue: Error, Sendable, Hashable, CustomStringConvertible {
  /// The place of the value.
  package let origin: RecipeOrigin
  /// The fault, and what would be valid.
  package let message: String

  /// Makes an issue; `message` is a sentence without a full stop.
  package init(_ origin: RecipeOrigin, _ message: String) {
    self.origin = origin
    self.message = message
  }

  /// `file:line:column: key: message`, `--set key: message`, or `--option value: message`.
  package var description: String {
    let key = origin.key.map { "\($0): " } ?? ""
    return "\(origin): \(message.hasPrefix(key) ? message.dropFirst(key.count) : message[...])"
  }
}

/// All errors of a recipe, found in one reading.
package struct RecipeError: Error, Sendable, Hashable, CustomStringConvertible {
  /// At least one issue: the file's from top to bottom, then those of `--set`.
  package let issues: [RecipeIssue]

  /// Sorts the issues by place and drops duplicates.
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
