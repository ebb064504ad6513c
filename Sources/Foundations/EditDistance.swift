/// The number of insertions, deletions and substitutions that turn one sequence into the other
/// (Levenshtein distance).
///
/// Time is proportional to the product of the two lengths.
///
/// - Parameter swaps: counts the swap of two neighbors as one edit (Damerau-Levenshtein, optimal
///   string alignment).
package func editDistance<Element: Equatable>(
  _ first: [Element], _ second: [Element], swaps: Bool = false
) -> Int {
  var beforeLast = [Int](repeating: 0, count: second.count + 1)
  var last = Array(0...second.count)
  for row in 0..<first.count {
    var current = [Int](repeating: row + 1, count: second.count + 1)
    for column in 0..<second.count {
      let substitution = last[column] + (first[row] == second[column] ? 0 : 1)
      current[column + 1] = min(last[column + 1] + 1, current[column] + 1, substitution)
      if swaps, row > 0, column > 0, first[row] == second[column - 1],
        first[row - 1] == second[column]
      {
        current[column + 1] = min(current[column + 1], beforeLast[column - 1] + 1)
      }
    }
    (beforeLast, last) = (last, current)
  }
  return last[second.count]
}

/// The candidate nearest to a misspelled name; nil when all are too far off.
///
/// The distance may be a third of the longer name's length, and at least two edits are allowed.
/// Case is ignored. Of equally near candidates the first wins.
package func nearest(to name: String, among candidates: [String]) -> String? {
  func folded(_ text: String) -> [Unicode.Scalar] { Array(text.lowercased().unicodeScalars) }
  let scalars = folded(name)
  let ranked = candidates.map { ($0, editDistance(scalars, folded($0), swaps: true)) }
  guard let (best, distance) = ranked.min(by: { $0.1 < $1.1 }) else { return nil }
  let longer = max(best.unicodeScalars.count, name.unicodeScalars.count)
  return distance <= max(2, longer / 3) && distance < longer ? best : nil
}
