internal import CTorch

/// A point in a device's queue of work; the time between two of them is the time of the work.
///
/// A GPU runs asynchronously. A CUDA event completes when all work queued on the current stream so
/// far has run, and recording it does not block. On other devices the event is the current time.
public final class DeviceEvent {
  private let instant = ContinuousClock.now
  private let event: OpaquePointer?
  private let device: Device

  /// Records an event after the work queued on `device` so far.
  public init(_ device: Device) {
    self.device = device
    guard case .cuda(let index) = device else {
      event = nil
      return
    }
    guard let event = ctorch_event(Int32(index)) else {
      failed("creating an event on \(device)")
    }
    self.event = event
  }

  deinit { if let event { ctorch_event_release(event) } }

  /// Seconds from `earlier`, an event of the same device, to this one; blocks until both complete.
  public func seconds(since earlier: DeviceEvent) -> Double {
    guard let event, let start = earlier.event else {
      return earlier.instant.duration(to: instant) / .seconds(1)
    }
    let seconds = ctorch_event_seconds(start, event)
    guard seconds >= 0 else { failed("the time between two events") }
    return seconds
  }

  /// Lets work that is queued on the current stream from now on begin after the event; the host
  /// does not wait.
  package func block() {
    guard let event, !ctorch_event_block(event, device.index) else { return }
    failed("waiting for an event on \(device)")
  }
}
