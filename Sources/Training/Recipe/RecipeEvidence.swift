/// How a recipe file is known to work: the key `evidence`, which has no effect on a run.
package enum RecipeEvidence: String, CaseIterable, Sendable {
  /// A test of every change trains it, with smaller numbers.
  case ci
  /// It was run once at full size; a page in `docs/results` has the figures, machine and command.
  case measured
  /// Only `tempflow plan` was run.
  case arithmetic
}
