package import Foundations
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

/// Seconds of a run's phases. On CUDA a boundary is an event on the device, and recording it does
/// not wait for the device.
package typealias PhaseStopwatch = Stopwatch<Phase, DeviceEvent>

extension DeviceEvent: TimeMark {}

extension Stopwatch<Phase, DeviceEvent> {
  package convenience init(_ device: Device = .cpu) { self.init { DeviceEvent(device) } }
}
