internal import CTorch

/// A queue of work of a GPU beside its current one, for copies during other work. On other devices
/// the work runs at once.
package final class DeviceStream {
  private let device: Device
  private let stream: Int64?

  package init(_ device: Device) {
    self.device = device
    guard case .cuda = device else {
      stream = nil
      return
    }
    var stream: Int64 = 0
    guard ctorch_pool_stream(device.index, &stream) else { failed("a stream on \(device)") }
    self.stream = stream
  }

  /// Queues the operators of `body` on this stream.
  ///
  /// - Parameter event: the operators begin after it.
  /// - Returns: the event of their end.
  package func run(after event: DeviceEvent, _ body: () -> Void) -> DeviceEvent {
    guard var current = stream else {
      body()
      return DeviceEvent(device)
    }
    exchange(&current)
    defer { exchange(&current) }
    event.block()
    body()
    return DeviceEvent(device)
  }

  private func exchange(_ stream: inout Int64) {
    guard ctorch_exchange_stream(device.index, &stream) else { failed("a stream on \(device)") }
  }
}
