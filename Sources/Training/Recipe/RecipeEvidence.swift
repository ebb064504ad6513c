/// The evidence that a recipe works: the key `evidence`, which has no effect on a run.
package enum RecipeEvidence: String, CaseIterable, Sendable {
  /// CI trains the recipe on every change, with smaller numbers.
  case ci
  /// The recipe was run once at full size; a page in `docs/results` has figures, machine and
  /// command.
  case measured
  /// Only `tempflow plan` was run.
  case arithmetic
}
