internal import Torch

/// The most memory that each phase of a run had in use; see `TorchRuntime.peakMemory`.
final class MemoryMeter {
  /// Bytes by phase, as far as the system tells.
  private(set) var peaks: [String: Int] = [:]
  private let device: Device
  private var running: [String] = []

  init(_ device: Device) { self.device = device }

  /// Runs a phase. A phase inside another is not counted for the other.
  func measure<Result>(_ phase: String, _ body: () throws -> Result) rethrows -> Result {
    note()
    // What the phase before has freed would count for this one.
    if running.isEmpty, device == .cpu { TorchRuntime.releaseFreedMemory() }
    running.append(phase)
    TorchRuntime.resetPeakMemory(device)
    defer {
      note()
      running.removeLast()
    }
    return try body()
  }

  /// Counts the memory since the last note for the phase that is running, and begins anew.
  private func note() {
    guard let phase = running.last else { return }
    if let peak = TorchRuntime.peakMemory(device) { peaks[phase] = max(peaks[phase] ?? 0, peak) }
    TorchRuntime.resetPeakMemory(device)
  }
}
