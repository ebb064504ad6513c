internal import CTorch

/// A moment in a device's work, to time what lies between two of them.
///
/// A GPU runs behind the program that queues its work: the moment comes when everything queued so
/// far has run, and making one does not wait for it. Elsewhere it is now.
public final class DeviceEvent {
  private let instant = ContinuousClock.now
  private let event: OpaquePointer?

  /// The moment when `device` has run what is queued on it so far.
  public init(_ device: Device) {
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

  /// Seconds from `earlier`, a moment of the same device, to this one; waits until both have come.
  public func seconds(since earlier: DeviceEvent) -> Double {
    guard let event, let start = earlier.event else {
      return earlier.instant.duration(to: instant) / .seconds(1)
    }
    let seconds = ctorch_event_seconds(start, event)
    guard seconds >= 0 else { failed("the time between two events") }
    return seconds
  }
}
