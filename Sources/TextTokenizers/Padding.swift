/// The ids of a prompt, truncated or padded to `length`; a truncated prompt keeps its end.
///
/// - Parameters:
///   - length: 2 or more, a start and an end.
///   - end: the last id of every prompt.
///   - padding: the id after the end.
func paddedIDs(_ ids: [Int], to length: Int, end: Int, padding: Int) -> [Int] {
  precondition(length >= 2, "a prompt has at least a start and an end")
  guard ids.count < length else { return ids.prefix(length - 1) + [end] }
  return ids + [Int](repeating: padding, count: length - ids.count)
}
