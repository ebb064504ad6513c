internal import Foundations
internal import Torch

/// The most memory that each phase of a run had in use; see `TorchRuntime.peakMemory`.
final class MemoryMeter {
  /// Bytes by phase; empty where the system has no such counter.
  private(set) var peaks: [Phase: Int] = [:]
  private let device: Device
  /// What the message holds when memory runs out in a phase.
  private let advice: (Phase) -> OutOfMemory.Advice
  private var running: [Phase] = []
  /// How often a phase ran that was inside no other.
  private var counts: [Phase: Int] = [:]
  private var isMeasuring = false
  /// On the CPU a phase is measured the first time and then every 16th: memory is given back to the
  /// system before it, which costs the phase a page fault for every page that it takes again.
  private static let interval = 16

  init(_ device: Device, advice: @escaping (Phase) -> OutOfMemory.Advice) {
    self.device = device
    self.advice = advice
  }

  /// Runs a phase. A phase inside another does not count for the other.
  func measure<Result, Failure: Error>(
    _ phase: Phase, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    if running.isEmpty {
      let count = counts[phase, default: 0]
      counts[phase] = count + 1
      isMeasuring = device != .cpu || count % Self.interval == 0
      // Memory that the phase before has freed would count for this one.
      if isMeasuring, device == .cpu { TorchRuntime.releaseFreedMemory() }
    }
    note()
    running.append(phase)
    defer {
      note()
      running.removeLast()
    }
    return try OutOfMemory.advised({ [advice] in advice(phase) }, body)
  }

  /// Runs a phase that `stopwatch` times.
  func measure<Result, Failure: Error>(
    _ phase: Phase, by stopwatch: PhaseStopwatch, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try measure(phase) { () throws(Failure) in try stopwatch.measure(phase, body) }
  }

  /// Counts the memory since the last note for the phase that is running, and begins anew.
  private func note() {
    guard isMeasuring else { return }
    if let phase = running.last, let peak = TorchRuntime.peakMemory(device) {
      peaks[phase] = max(peaks[phase] ?? 0, peak)
    }
    TorchRuntime.resetPeakMemory(device)
  }
}
