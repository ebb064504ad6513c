package import Torch

/// A part of a run that is timed, and whose memory is measured where the memory plan has it.
///
/// The raw values are the names in `phase_seconds` and `peak_memory` of `summary.json`.
package enum Phase: String {
  /// Model, prompts and rewards are loaded, and a checkpoint restored.
  case load
  /// Prompts to embeddings.
  case text
  /// Denoising.
  case rollout
  /// Latents to images.
  case decode
  /// Waiting for scores.
  case reward
  /// Forward and backward passes of the updates.
  case learning
  /// Clipped gradients to new weights and averages: a part of `learning` in the summary.
  case optimizer
  /// The rest of an epoch; absent from the summary.
  case epoch
  case evaluation
  case checkpoint

  /// The name in `phase_seconds`.
  var summaryName: String? {
    switch self {
    case .optimizer: Phase.learning.rawValue
    case .epoch: nil
    default: rawValue
    }
  }
}

/// Seconds of nested spans, each without the spans inside it.
///
/// Every boundary of a span ends one interval and begins the next. An interval belongs to the
/// innermost open span, so the spans add up to the time from the first boundary to the last.
/// On CUDA a boundary is an event on the device, and recording it does not wait for the device.
package final class Stopwatch {
  private let device: Device
  private var open: [Phase] = []
  private var intervals: [(phase: Phase, start: DeviceEvent, end: DeviceEvent)] = []
  private var boundary: DeviceEvent?

  package init(_ device: Device = .cpu) { self.device = device }

  /// Opens a span inside the innermost open one.
  package func begin(_ phase: Phase) {
    mark()
    open.append(phase)
  }

  /// Closes the innermost open span.
  package func end() {
    precondition(!open.isEmpty, "every end closes a span that was begun")
    mark()
    open.removeLast()
  }

  /// Runs `body` as a span.
  package func measure<Result, Failure: Error>(
    _ phase: Phase, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    begin(phase)
    defer { end() }
    return try body()
  }

  private func mark() {
    let now = DeviceEvent(device)
    if let phase = open.last, let boundary { intervals.append((phase, boundary, now)) }
    boundary = now
  }

  /// The seconds of each phase so far; waits for the device.
  package var seconds: [Phase: Double] {
    intervals.reduce(into: [:]) { $0[$1.phase, default: 0] += $1.end.seconds(since: $1.start) }
  }

  /// Seconds from the first boundary to the last; waits for the device.
  package var total: Double {
    guard let first = intervals.first, let last = intervals.last else { return 0 }
    return last.end.seconds(since: first.start)
  }
}
