/// The part of a list of work that one of several processes does.
///
/// Every process makes the whole list and takes its own part, so none needs a message from another.
public struct WorkShare: Hashable, Sendable {
  /// The number of the part, 0..<`parts`.
  public let index: Int
  /// How many parts the list has.
  public let parts: Int

  /// Part number `index` of `parts`.
  public init(_ index: Int, of parts: Int) {
    precondition((0..<parts).contains(index), "a part of the work")
    self.index = index
    self.parts = parts
  }

  /// All of the work.
  public static let whole = WorkShare(0, of: 1)

  /// This part of `count` items: parts are consecutive and differ by at most one item.
  public func range(of count: Int) -> Range<Int> { share(index, of: parts, count: count) }
}

/// Part `index` of `count` items split into `parts` nearly equal consecutive parts.
package func share(_ index: Int, of parts: Int, count: Int) -> Range<Int> {
  (count * index / parts)..<(count * (index + 1) / parts)
}

/// Cuts `count` rows into as few nearly equal ranges of at most `limit` as possible.
package func microBatches(of count: Int, limit: Int) -> [Range<Int>] {
  let parts = microBatchCount(of: count, limit: limit)
  return (0..<parts).map { share($0, of: parts, count: count) }
}

/// How many ranges ``microBatches(of:limit:)`` cuts `count` rows into.
package func microBatchCount(of count: Int, limit: Int) -> Int {
  precondition(limit >= 1, "a micro-batch holds at least one row")
  // The limit may be the largest integer.
  return count == 0 ? 0 : (count - 1) / limit + 1
}

extension WorkShare {
  /// The micro-batches of this part: whole ones of those that a process alone makes, so that every
  /// pass computes with the same shapes, and rounds the same, on any number of processes.
  package func microBatches(of count: Int, limit: Int) -> ArraySlice<Range<Int>> {
    let all = TempFlow.microBatches(of: count, limit: limit)
    return all[range(of: all.count)]
  }

  /// The most items of `count` that any part has.
  package func most(of count: Int) -> Int { (count + parts - 1) / parts }
}
