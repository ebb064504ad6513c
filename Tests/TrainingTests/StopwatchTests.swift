import Foundation
import Foundations
import Testing
import Training

@Suite struct StopwatchTests {
  private struct Failure: Error {}

  @Test func `a span's seconds exclude those of the spans inside it`() {
    let stopwatch = PhaseStopwatch()
    stopwatch.measure(.rollout) {
      stopwatch.measure(.decode) { Thread.sleep(forTimeInterval: 0.05) }
      Thread.sleep(forTimeInterval: 0.01)
      stopwatch.measure(.decode) { Thread.sleep(forTimeInterval: 0.05) }
    }
    let seconds = stopwatch.seconds
    #expect(Set(seconds.keys) == [.rollout, .decode])
    #expect(seconds[.decode, default: 0] >= 0.1)
    #expect(seconds[.rollout, default: 0] >= 0.01)
    let sum = seconds.values.reduce(0, +)
    #expect(abs(sum - stopwatch.total) < 1e-9, "the spans add up to the whole")
  }

  @Test func `time between spans is counted for none`() {
    let stopwatch = PhaseStopwatch()
    stopwatch.measure(.text) {}
    Thread.sleep(forTimeInterval: 0.05)
    stopwatch.measure(.text) {}
    let outside = stopwatch.total - stopwatch.seconds[.text, default: 0]
    #expect(outside >= 0.05)
  }

  @Test func `a span ends when its body throws`() {
    let stopwatch = PhaseStopwatch()
    #expect(throws: Failure.self) {
      try stopwatch.measure(.reward) { () throws(Failure) in throw Failure() }
    }
    stopwatch.measure(.decode) {}
    #expect(Set(stopwatch.seconds.keys) == [.reward, .decode])
    #expect(stopwatch.seconds[.reward, default: 0] <= stopwatch.total)
  }
}
