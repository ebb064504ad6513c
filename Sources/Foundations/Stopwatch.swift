/// A moment of a clock on the host, or of one on a device.
package protocol TimeMark {
  /// Seconds from an earlier moment to this one.
  func seconds(since earlier: Self) -> Double
}

extension ContinuousClock.Instant: TimeMark {
  package func seconds(since earlier: Self) -> Double { earlier.duration(to: self) / .seconds(1) }
}

/// Seconds of nested spans by name, each without the spans inside it (self time).
///
/// Every boundary of a span ends one interval and begins the next. An interval belongs to the
/// innermost open span, so the spans add up to the time from the first boundary to the last, and no
/// figure is negative. Reading the figures may wait for a device; recording a boundary need not.
///
///     let stopwatch = Stopwatch<String, ContinuousClock.Instant> { .now }
///     stopwatch.measure("rollout") {
///       stopwatch.measure("decode") { … }  // counts as "decode" alone
///     }
package final class Stopwatch<Name: Hashable, Mark: TimeMark> {
  private let now: () -> Mark
  private var open: [Name] = []
  private var intervals: [(name: Name, start: Mark, end: Mark)] = []
  private var boundary: Mark?

  /// - Parameter now: the current moment of a monotonic clock.
  package init(now: @escaping () -> Mark) { self.now = now }

  /// Opens a span inside the innermost open one.
  package func begin(_ name: Name) {
    mark()
    open.append(name)
  }

  /// Closes the innermost open span.
  package func end() {
    precondition(!open.isEmpty, "every end closes a span that was begun")
    mark()
    open.removeLast()
  }

  /// Runs `body` as a span, which ends when `body` returns or throws.
  package func measure<Result, Failure: Error>(
    _ name: Name, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    begin(name)
    defer { end() }
    return try body()
  }

  private func mark() {
    let current = now()
    if let name = open.last, let boundary { intervals.append((name, boundary, current)) }
    boundary = current
  }

  /// Seconds of each name, over all intervals that have ended.
  package var seconds: [Name: Double] {
    intervals.reduce(into: [:]) { $0[$1.name, default: 0] += $1.end.seconds(since: $1.start) }
  }

  /// Seconds from the first boundary to the last.
  package var total: Double {
    guard let first = intervals.first, let last = intervals.last else { return 0 }
    return last.end.seconds(since: first.start)
  }
}
