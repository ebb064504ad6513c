internal import Torch

/// The most memory that each phase of a run had in use; see `TorchRuntime.peakMemory`.
final class MemoryMeter {
  /// Bytes by phase, as far as the system tells.
  private(set) var peaks: [String: Int] = [:]
  private let device: Device
  private var running: [String] = []
  /// How often a phase ran that was inside no other.
  private var counts: [String: Int] = [:]
  private var isWatching = false
  /// On the CPU a phase is watched the first time and every so often: giving memory back before it
  /// costs the phase a fault for every page that it takes again.
  private static let interval = 16
  /// What to say when memory runs out in a phase.
  var advice: ((_ phase: String) -> OutOfMemory.Advice)?

  init(_ device: Device) { self.device = device }

  /// Runs a phase. A phase inside another is not counted for the other.
  func measure<Result>(_ phase: String, _ body: () throws -> Result) rethrows -> Result {
    if running.isEmpty {
      let count = counts[phase, default: 0]
      counts[phase] = count + 1
      isWatching = device != .cpu || count % Self.interval == 0
      // What the phase before has freed would count for this one.
      if isWatching, device == .cpu { TorchRuntime.releaseFreedMemory() }
    }
    note()
    running.append(phase)
    defer {
      note()
      running.removeLast()
    }
    guard let advice else { return try body() }
    return try OutOfMemory.advised({ advice(phase) }, body)
  }

  /// Counts the memory since the last note for the phase that is running, and begins anew.
  private func note() {
    guard isWatching else { return }
    if let phase = running.last, let peak = TorchRuntime.peakMemory(device) {
      peaks[phase] = max(peaks[phase] ?? 0, peak)
    }
    TorchRuntime.resetPeakMemory(device)
  }
}
