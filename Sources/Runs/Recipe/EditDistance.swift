/// The number of insertions, deletions, substitutions and swaps of neighbors that turn one text
/// into the other (Damerau-Levenshtein, optimal string alignment), over Unicode scalars.
///
/// Time is proportional to the product of the two lengths.
package func editDistance(_ first: String, _ second: String) -> Int {
  let rows = Array(first.unicodeScalars)
  let columns = Array(second.unicodeScalars)
  var beforeLast = [Int](repeating: 0, count: columns.count + 1)
  var last = Array(0...columns.count)
  for row in 0..<rows.count {
    var current = [Int](repeating: row + 1, count: columns.count + 1)
    for column in 0..<columns.count {
      let substitution = last[column] + (rows[row] == columns[column] ? 0 : 1)
      current[column + 1] = min(last[column + 1] + 1, current[column] + 1, substitution)
      if row > 0, column > 0, rows[row] == columns[column - 1], rows[row - 1] == columns[column] {
        current[column + 1] = min(current[column + 1], beforeLast[column - 1] + 1)
      }
    }
    (beforeLast, last) = (last, current)
  }
  return last[columns.count]
}

/// The candidate nearest to a misspelled name, or nil when none is near enough to be what was meant.
///
/// Near enough is at most a third of the longer name's length, and at least two edits are allowed.
/// Of equally near candidates the first wins.
package func nearest(to name: String, among candidates: [String]) -> String? {
  let folded = name.lowercased()
  let ranked = candidates.map { ($0, editDistance(folded, $0.lowercased())) }
  guard let (best, distance) = ranked.min(by: { $0.1 < $1.1 }) else { return nil }
  let longer = max(best.unicodeScalars.count, name.unicodeScalars.count)
  return distance <= max(2, longer / 3) && distance < longer ? best : nil
}
