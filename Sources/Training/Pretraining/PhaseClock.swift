/// Seconds per named phase.
struct PhaseClock {
  private(set) var seconds: [String: Double] = [:]

  /// Runs `body` and adds the time it took to the phase.
  mutating func measure<Result, Failure: Error>(
    _ phase: String, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let start = ContinuousClock.now
    defer { add(phase, since: start) }
    return try body()
  }

  /// Adds the time from `start` until now to the phase.
  mutating func add(_ phase: String, since start: ContinuousClock.Instant) {
    seconds[phase, default: 0] += start.duration(to: .now) / .seconds(1)
  }
}

/// The mean of what was added since it was last taken.
struct RecentMean {
  private var sum = 0.0
  private var count = 0

  mutating func add(_ value: Double) {
    sum += value
    count += 1
  }

  mutating func take() -> Double {
    defer { self = RecentMean() }
    return count > 0 ? sum / Double(count) : 0
  }
}
