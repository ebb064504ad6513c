/// The symbols of a word during BPE merges: the pair of lowest rank first, and of equal ranks the
/// leftmost.
///
/// A word of n symbols takes O(n log n); a prompt may be one word of ten thousand.
struct BPEWord {
  /// A pair that may be merged; it is stale once one of its symbols has changed.
  private struct Candidate {
    let rank: Int
    let position: Int
    let left: Int
    let right: Int
    let result: Int

    func precedes(_ other: Candidate) -> Bool { (rank, position) < (other.rank, other.position) }
  }

  private var symbols: [Int?]
  /// The positions of the neighbors of each symbol; -1 and `symbols.count` at the ends.
  private var previous: [Int]
  private var next: [Int]
  /// A binary heap: the candidate at i precedes those at 2 i + 1 and 2 i + 2.
  private var heap: [Candidate] = []

  init(_ symbols: [Int]) {
    self.symbols = symbols
    previous = symbols.indices.map { $0 - 1 }
    next = symbols.indices.map { $0 + 1 }
  }

  /// The symbols after the merges.
  var remaining: [Int] { symbols.compactMap(\.self) }

  /// - Parameter rule: the rank and the result of a merge; nil if there is none.
  mutating func mergeAll(by rule: (Int, Int) -> (rank: Int, result: Int)?) {
    for position in symbols.indices { offer(position, rule) }
    while let merge = popFirst() {
      let position = merge.position
      guard symbols[position] == merge.left, next[position] < symbols.count,
        symbols[next[position]] == merge.right
      else { continue }
      symbols[position] = merge.result
      symbols[next[position]] = nil
      next[position] = next[next[position]]
      if next[position] < symbols.count { previous[next[position]] = position }
      offer(previous[position], rule)
      offer(position, rule)
    }
  }

  /// Adds the pair at `position` to the heap if a rule merges it.
  private mutating func offer(_ position: Int, _ rule: (Int, Int) -> (rank: Int, result: Int)?) {
    guard position >= 0, next[position] < symbols.count, let left = symbols[position],
      let right = symbols[next[position]], let (rank, result) = rule(left, right)
    else { return }
    heap.append(
      Candidate(rank: rank, position: position, left: left, right: right, result: result))
    var index = heap.count - 1
    while index > 0, heap[index].precedes(heap[(index - 1) / 2]) {
      heap.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
  }

  private mutating func popFirst() -> Candidate? {
    guard !heap.isEmpty else { return nil }
    heap.swapAt(0, heap.count - 1)
    let first = heap.removeLast()
    var index = 0
    while true {
      let children = (2 * index + 1)..<min(2 * index + 3, max(2 * index + 1, heap.count))
      guard let child = children.min(by: { heap[$0].precedes(heap[$1]) }),
        heap[child].precedes(heap[index])
      else { return first }
      heap.swapAt(index, child)
      index = child
    }
  }
}
