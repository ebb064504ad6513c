import Foundations
import Testing

/// A clock that tests set.
private final class Clock {
  var seconds = 0.0

  var stopwatch: Stopwatch<String, Mark> { Stopwatch { Mark(time: self.seconds) } }
}

private struct Mark: TimeMark {
  let time: Double

  func seconds(since earlier: Mark) -> Double { time - earlier.time }
}

private struct Refusal: Error {}

@Suite struct StopwatchTests {
  @Test func `time in a nested span is counted there alone`() {
    let clock = Clock()
    let stopwatch = clock.stopwatch
    stopwatch.measure("rollout") {
      clock.seconds += 1
      stopwatch.measure("decode") {
        clock.seconds += 2
        stopwatch.measure("reward") { clock.seconds += 4 }
      }
      stopwatch.measure("decode") { clock.seconds += 8 }
      clock.seconds += 16
    }
    #expect(stopwatch.seconds == ["rollout": 17, "decode": 10, "reward": 4])
    #expect(stopwatch.total == 31)
  }

  @Test func `a name inside itself is counted once`() {
    let clock = Clock()
    let stopwatch = clock.stopwatch
    stopwatch.measure("load") {
      clock.seconds += 1
      stopwatch.measure("load") { clock.seconds += 2 }
    }
    #expect(stopwatch.seconds == ["load": 3])
  }

  @Test func `time between spans belongs to none and counts in the total`() {
    let clock = Clock()
    let stopwatch = clock.stopwatch
    stopwatch.measure("load") { clock.seconds += 1 }
    clock.seconds += 2
    stopwatch.measure("text") { clock.seconds += 4 }
    #expect(stopwatch.seconds == ["load": 1, "text": 4])
    #expect(stopwatch.total == 7)
  }

  @Test func `a span that throws is counted`() {
    let clock = Clock()
    let stopwatch = clock.stopwatch
    #expect(throws: Refusal.self) {
      try stopwatch.measure("work") { () throws(Refusal) in
        clock.seconds += 5
        throw Refusal()
      }
    }
    #expect(stopwatch.seconds == ["work": 5])
  }

  @Test func `a stopwatch without spans has no seconds`() {
    let stopwatch = Clock().stopwatch
    #expect(stopwatch.seconds.isEmpty && stopwatch.total == 0)
  }

  @Test func `the clock of the host counts seconds`() {
    let start = ContinuousClock.now
    #expect(start.advanced(by: .milliseconds(1500)).seconds(since: start) == 1.5)
  }
}
