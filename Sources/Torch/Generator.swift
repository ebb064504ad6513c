internal import CTorch

/// A stream of random numbers. Every random operator has one as argument; no stream is global.
public final class Generator {
  let handle: OpaquePointer
  public let device: Device

  /// A generator whose stream is a function of `seed` alone.
  public init(seed: UInt64, device: Device = .cpu) {
    if case .cuda = device { precondition(TorchRuntime.hasCUDA, "\(device) cannot be used") }
    guard let handle = ctorch_generator(device.type, device.index, seed) else {
      failed("generator on \(device)")
    }
    self.handle = handle
    self.device = device
  }

  deinit { ctorch_generator_release(handle) }

  /// Starts the stream of `seed` over.
  public func reseed(_ seed: UInt64) { ctorch_generator_seed(handle, seed) }

  /// The whole state, for checkpoints.
  public var state: [UInt8] {
    get {
      guard let state = ctorch_generator_state(handle) else { failed("generator state") }
      return Tensor(owning: state).bytes()
    }
    set {
      let state = Tensor(newValue, shape: [newValue.count])
      guard ctorch_generator_set_state(handle, state.handle) else {
        failed("generator state")
      }
    }
  }
}
